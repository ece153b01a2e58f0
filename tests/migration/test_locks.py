"""Locks on the host's tables: asked for briefly and again, never waited for while others queue up behind."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from outbox.entities.registry import CAPTURES
from outbox.migration import runner
from outbox.migration.rollback import RollbackRefused, rollback
from outbox.migration.runner import MigrationRefused, migrate, plan
from tests.host.databases import Database

Connection = psycopg.Connection[tuple[Any, ...]]
PATIENCE = 60.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Where migrate runs while the test looks on."""
    with ThreadPoolExecutor(2) as executor:
        yield executor


def due(database: Database) -> list[str]:
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        return [step.name for step in plan(connection, CAPTURES)]


def started(
    threads: ThreadPoolExecutor, database: Database, work: Callable[[Connection, Callable[[str], None]], object]
) -> tuple[Future[object], Event]:
    """``work`` in a thread, and the event that it has been refused a lock."""
    waiting = Event()

    def report(line: str) -> None:
        if "waiting for a lock" in line:
            waiting.set()

    def run() -> object:
        with psycopg.connect(database.dsn(), autocommit=True) as connection:
            return work(connection, report)

    return threads.submit(run), waiting


def until_queued(looking: Connection, work: Future[object]) -> None:
    """Waits until somebody stands in line for a lock on customers."""
    # In this database: those that were copied from the same template have the same numbers.
    queued = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'public.customers'::regclass AND NOT granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    while looking.execute(queued.encode()).fetchone() == (0,):
        assert not work.done()


def test_a_lock_is_waited_for_no_longer_than_people_notice() -> None:
    assert runner.LOCK_TIMEOUT_SECONDS <= 1


@pytest.mark.parametrize("held", ["ACCESS SHARE", "ROW EXCLUSIVE"])
def test_migrate_lets_others_pass_while_it_waits_and_ends_when_the_lock_is_free(
    host_database: Database, threads: ThreadPoolExecutor, held: str
) -> None:
    with (
        psycopg.connect(host_database.dsn()) as application,
        psycopg.connect(host_database.dsn(), autocommit=True, options="-c statement_timeout=30s") as other,
    ):
        application.execute(f"LOCK TABLE customers IN {held} MODE".encode())
        migration, _ = started(threads, host_database, lambda at, say: migrate(at, CAPTURES, say))
        until_queued(other, migration)
        # Behind a lock request that is not given up this would wait for the application, and be cancelled.
        assert other.execute("SELECT count(*) FROM customers").fetchone() == (0,)
        assert not migration.done()
        application.rollback()
        migration.result(PATIENCE)
    assert due(host_database) == []


def test_migrate_gives_up_after_its_tries_and_goes_on_when_run_again(
    host_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_TRIES", 2)
    monkeypatch.setattr(runner, "LOCK_TIMEOUT_SECONDS", 0.05)
    with psycopg.connect(host_database.dsn()) as application:
        application.execute("SELECT FROM customer_invoices")
        with (
            psycopg.connect(host_database.dsn(), autocommit=True) as connection,
            pytest.raises(MigrationRefused, match=r"host:customer_invoices:columns.*2 tries.*pg_stat_activity"),
        ):
            migrate(connection, CAPTURES, lambda _: None)
    remaining = due(host_database)
    assert remaining[0] == "host:customer_invoices:columns"
    with psycopg.connect(host_database.dsn(), autocommit=True) as connection:
        assert [step.name for step in migrate(connection, CAPTURES, lambda _: None)] == remaining


def test_index_that_another_run_is_building_is_not_dropped(
    migrated_database: Database, threads: ThreadPoolExecutor
) -> None:
    with (
        psycopg.connect(migrated_database.superuser_dsn, autocommit=True) as looking,
        psycopg.connect(migrated_database.dsn()) as application,
    ):
        looking.execute("DROP INDEX zoho_outbox_customers_zoho_id")
        # A build waits for the transactions that have written to the table.
        application.execute("LOCK TABLE customers IN ROW EXCLUSIVE MODE")
        first, _ = started(threads, migrated_database, lambda at, say: migrate(at, CAPTURES, say))
        building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
        while looking.execute(building.encode()).fetchone() == (0,):
            assert not first.done()
        second, waiting = started(threads, migrated_database, lambda at, say: migrate(at, CAPTURES, say))
        assert waiting.wait(PATIENCE)
        application.rollback()
        first.result(PATIENCE)
        second.result(PATIENCE)
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'zoho_outbox_customers_zoho_id'::regclass"
        assert looking.execute(valid.encode()).fetchone() == (True,)
    assert due(migrated_database) == []


def test_rollback_lets_others_pass_while_it_waits(
    migrated_database: Database, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    with (
        psycopg.connect(migrated_database.dsn()) as application,
        psycopg.connect(migrated_database.dsn(), autocommit=True, options="-c statement_timeout=30s") as other,
    ):
        application.execute("SELECT FROM customers")
        removal, _ = started(
            threads,
            migrated_database,
            lambda at, say: rollback(at, drop_zoho_ids=False, csv_directory=tmp_path, report=say),
        )
        until_queued(other, removal)
        assert other.execute("SELECT count(*) FROM customers").fetchone() == (0,)
        assert not removal.done()
        application.rollback()
        removal.result(PATIENCE)
        assert other.execute("SELECT to_regclass('public.zoho_outbox') IS NULL").fetchone() == (True,)


def test_zoho_id_that_is_set_while_the_rollback_waits_is_not_lost(
    migrated_database: Database, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    with psycopg.connect(migrated_database.dsn()) as application:
        application.execute(
            "INSERT INTO customers (first_name, last_name, email, phone, zoho_billing_customer_id) "
            "VALUES ('a', 'b', 'a@example.com', '1', '4600')"
        )
        removal, waiting = started(
            threads,
            migrated_database,
            lambda at, say: rollback(at, drop_zoho_ids=False, csv_directory=tmp_path, report=say),
        )
        assert waiting.wait(PATIENCE)
        application.commit()
        with pytest.raises(RollbackRefused, match=r"1 Zoho ids were set while the rollback ran"):
            removal.result(PATIENCE)
        assert application.execute("SELECT zoho_billing_customer_id FROM customers").fetchone() == ("4600",)
