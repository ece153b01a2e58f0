"""``migrate rollback``: what was added goes, what was there stays."""

import csv
import stat
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from outbox.demo.postgres_server import PostgresServer
from outbox.entities.registry import CAPTURES
from outbox.migration.rollback import RollbackRefused, rollback
from outbox.migration.runner import migrate
from tests.host.databases import MIGRATOR, Database, Databases
from tests.host.shapes import API_ROLES, HostShape
from tests.migration.migrated import migrate_as_migrator
from tests.migration.shapes import SHAPES, described
from tests.migration.snapshot import rows, snapshot

CUSTOMER = "00000000-0000-4000-8000-0000000c0001"
NewDatabase = Callable[[HostShape], Database]


def roll_back(database: Database, directory: Path, *, drop_zoho_ids: bool = False) -> list[str]:
    said: list[str] = []
    with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection:
        rollback(connection, drop_zoho_ids=drop_zoho_ids, csv_directory=directory, report=said.append)
    return said


def execute(database: Database, statement: str) -> None:
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute(statement.encode())


def scalar(database: Database, query: str) -> object:
    with psycopg.connect(database.superuser_dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("shape", SHAPES, ids=described)
def test_database_is_as_it_was(new_host_database: NewDatabase, tmp_path: Path, shape: HostShape) -> None:
    database = new_host_database(shape)
    before = snapshot(database)
    migrate_as_migrator(database)
    assert snapshot(database) != before
    roll_back(database, tmp_path, drop_zoho_ids=True)
    after = snapshot(database)
    for kind, stood in before.items():
        assert after[kind] == stood, kind


def test_rows_of_the_host_stay(new_host_database: NewDatabase, tmp_path: Path) -> None:
    database = new_host_database(HostShape(sync_logs=True, star_columns="present", rows=True))
    tables = ("public.customers", "public.customer_invoices", "public.payment_transactions", "public.zoho_sync_logs")
    before = {table: rows(database, table) for table in tables}
    migrate_as_migrator(database)
    roll_back(database, tmp_path)
    assert {table: rows(database, table) for table in tables} == before


def test_second_rollback_finds_nothing(new_host_database: NewDatabase, tmp_path: Path) -> None:
    database = new_host_database(HostShape())
    migrate_as_migrator(database)
    roll_back(database, tmp_path)
    once = snapshot(database)
    roll_back(database, tmp_path)
    assert snapshot(database) == once


def test_migrate_works_again_afterwards(new_host_database: NewDatabase, tmp_path: Path) -> None:
    database = new_host_database(HostShape(sync_logs=True, star_columns="checked", rows=True))
    migrate_as_migrator(database)
    installed = snapshot(database)
    roll_back(database, tmp_path)
    migrate_as_migrator(database)
    again = snapshot(database)
    for kind, stood in installed.items():
        assert again[kind] == stood, kind


@pytest.mark.slow
def test_rollback_after_every_half_of_a_migration(new_host_database: NewDatabase, tmp_path: Path) -> None:
    shape = HostShape(sync_logs=True, star_columns="checked")
    complete = new_host_database(shape)
    before = snapshot(complete)
    steps = sum(line.startswith("applied") for line in migrate_as_migrator(complete))
    for stop in range(1, steps, 3):
        database = new_host_database(shape)
        _migrate_and_stop(database, stop)
        roll_back(database, tmp_path)
        after = snapshot(database)
        for kind, stood in before.items():
            assert after[kind] == stood, (stop, kind)


def test_rollback_goes_on_where_it_was_interrupted(new_host_database: NewDatabase, tmp_path: Path) -> None:
    shape = HostShape(sync_logs=True, star_columns="checked")
    database = new_host_database(shape)
    before = snapshot(database)
    for stop in range(1, 8):
        migrate_as_migrator(database)
        removed = 0

        def count(line: str, stop: int = stop) -> None:
            nonlocal removed
            removed += line.startswith("removed")
            if removed == stop:
                raise InterruptedError

        with (
            psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection,
            pytest.raises(InterruptedError),
        ):
            rollback(connection, drop_zoho_ids=False, csv_directory=tmp_path, report=count)
        roll_back(database, tmp_path)
        after = snapshot(database)
        for kind, stood in before.items():
            assert after[kind] == stood, (stop, kind)


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True)], indirect=True)
def test_zoho_ids_are_not_lost_unless_told_and_then_kept_in_a_file(migrated_database: Database, tmp_path: Path) -> None:
    execute(
        migrated_database, f"UPDATE customers SET zoho_billing_customer_id = '=HYPERLINK(1)' WHERE id = '{CUSTOMER}'"
    )
    execute(
        migrated_database,
        "INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, zoho_id) "
        "VALUES ('invoice', '00000000-0000-4000-8000-0000000d0001', 'idle', '4600')",
    )
    installed = snapshot(migrated_database)
    with pytest.raises(RollbackRefused, match=r"2 Zoho ids.*--drop-zoho-ids"):
        roll_back(migrated_database, tmp_path)
    assert snapshot(migrated_database) == installed
    assert list(tmp_path.iterdir()) == []

    roll_back(migrated_database, tmp_path, drop_zoho_ids=True)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith(f"zoho-ids-{migrated_database.name}-2")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="") as lines:
        assert list(csv.reader(lines)) == [
            ["entity_type", "entity_id", "zoho_id"],
            ["customer", CUSTOMER, "'=HYPERLINK(1)"],
            ["invoice", "00000000-0000-4000-8000-0000000d0001", "4600"],
        ]


@pytest.mark.parametrize(
    "migrated_database", [HostShape(star_columns="present", rows=True, leftovers=True)], indirect=True
)
def test_ids_in_columns_that_stay_need_no_file(migrated_database: Database, tmp_path: Path) -> None:
    roll_back(migrated_database, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert scalar(migrated_database, "SELECT count(zoho_billing_customer_id) FROM customers") == 1


@pytest.mark.parametrize(
    "migrated_database", [HostShape(star_columns="present", rows=True, leftovers=True)], indirect=True
)
def test_id_that_was_not_written_back_is_at_stake_though_the_column_stays(
    migrated_database: Database, tmp_path: Path
) -> None:
    execute(
        migrated_database,
        "INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, zoho_id) "
        f"VALUES ('customer', '{CUSTOMER}', 'idle', '4601')",
    )
    with pytest.raises(RollbackRefused, match="1 Zoho ids"):
        roll_back(migrated_database, tmp_path)


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True)], indirect=True)
def test_file_that_cannot_be_written_stops_it(migrated_database: Database, tmp_path: Path) -> None:
    execute(migrated_database, f"UPDATE customers SET zoho_billing_customer_id = '1' WHERE id = '{CUSTOMER}'")
    installed = snapshot(migrated_database)
    with pytest.raises(RollbackRefused, match="nothing was dropped"):
        roll_back(migrated_database, tmp_path / "absent", drop_zoho_ids=True)
    assert snapshot(migrated_database) == installed


def test_refused_while_a_daemon_lives(migrated_database: Database, tmp_path: Path) -> None:
    execute(
        migrated_database,
        "INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version) "
        "VALUES (gen_random_uuid(), 'daemon', 'billing-1', 4711, '0')",
    )
    with pytest.raises(RollbackRefused, match="daemon on billing-1, process 4711"):
        roll_back(migrated_database, tmp_path)
    execute(migrated_database, "UPDATE zoho_outbox_private.session SET seen_at = now() - interval '61 seconds'")
    roll_back(migrated_database, tmp_path)
    assert scalar(migrated_database, "SELECT to_regclass('public.zoho_outbox') IS NULL") is True


def test_what_others_built_on_the_outbox_stops_it(migrated_database: Database, tmp_path: Path) -> None:
    execute(migrated_database, "CREATE VIEW public.finance AS SELECT id FROM public.zoho_outbox")
    with pytest.raises(RollbackRefused, match=r"view public.finance depends on table public.zoho_outbox"):
        roll_back(migrated_database, tmp_path)
    execute(migrated_database, "DROP VIEW public.finance")
    roll_back(migrated_database, tmp_path)
    assert scalar(migrated_database, "SELECT to_regclass('public.zoho_outbox') IS NULL") is True


def test_check_that_the_host_replaced_meanwhile_stays(new_host_database: NewDatabase, tmp_path: Path) -> None:
    database = new_host_database(HostShape(star_columns="checked"))
    migrate_as_migrator(database)
    execute(
        database,
        "ALTER TABLE customers DROP CONSTRAINT customers_zoho_sync_status_check, "
        "ADD CONSTRAINT customers_zoho_sync_status_check CHECK (zoho_sync_status <> 'never')",
    )
    said = roll_back(database, tmp_path)
    assert any("customers_zoho_sync_status_check is no longer" in line for line in said)
    definition = scalar(
        database,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'customers_zoho_sync_status_check'",
    )
    assert definition == "CHECK ((zoho_sync_status <> 'never'::text))"


def test_old_check_comes_back_although_rows_break_it(new_host_database: NewDatabase, tmp_path: Path) -> None:
    database = new_host_database(HostShape(star_columns="checked", rows=True))
    migrate_as_migrator(database)
    execute(database, "UPDATE customers SET zoho_sync_status = 'skipped'")
    roll_back(database, tmp_path)
    with pytest.raises(psycopg.errors.CheckViolation):
        execute(database, f"UPDATE customers SET zoho_sync_status = 'skipped' WHERE id = '{CUSTOMER}'")


def test_stranger_is_refused(migrated_database: Database, tmp_path: Path) -> None:
    with (
        psycopg.connect(migrated_database.dsn("finance_operator"), autocommit=True) as connection,
        pytest.raises(RollbackRefused, match="run the rollback as the role that ran migrate"),
    ):
        rollback(connection, drop_zoho_ids=True, csv_directory=tmp_path, report=print)


def test_roles_go_with_their_last_database(own_postgres: PostgresServer, tmp_path: Path) -> None:
    databases = Databases(own_postgres, "own")
    first, second = databases.create(HostShape().template), databases.create(HostShape().template)
    migrate_as_migrator(first)
    migrate_as_migrator(second)
    said = roll_back(first, tmp_path)
    assert sum("stays" in line for line in said) == 3
    assert migrate_as_migrator(second) == []
    roll_back(second, tmp_path)
    assert scalar(second, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'zoho%'") == 0
    assert {role for role in API_ROLES if scalar(second, f"SELECT to_regrole('{role}') IS NOT NULL")} == set(API_ROLES)


def _migrate_and_stop(database: Database, after: int) -> None:
    applied = 0

    def count(line: str) -> None:
        nonlocal applied
        applied += line.startswith("applied")
        if applied == after:
            raise InterruptedError

    with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection, pytest.raises(InterruptedError):
        migrate(connection, CAPTURES, count)
