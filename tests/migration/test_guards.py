"""Guards on zoho_outbox: what an operator may do by hand, and what is refused by name."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.host.databases import Database
from tests.migration.migrated import DAEMON, OPERATOR

Connection = psycopg.Connection[tuple[Any, ...]]
ENTITY = UUID("00000000-0000-4000-8000-0000000c0001")


@pytest.fixture
def daemon(migrated_database: Database) -> Iterator[Connection]:
    """The daemon's own connection."""
    with psycopg.connect(migrated_database.dsn(DAEMON), autocommit=True) as connection:
        yield connection


@pytest.fixture
def operator(migrated_database: Database) -> Iterator[Connection]:
    """A person with the operator's rights and no others."""
    with psycopg.connect(migrated_database.dsn(OPERATOR), autocommit=True) as connection:
        yield connection


def entry(daemon: Connection, status: str) -> int:
    """An entry that the daemon has brought to ``status``."""
    row = daemon.execute(
        "INSERT INTO public.zoho_outbox (entity_type, entity_id, priority, attempts, admitted, status, outcome, "
        "finished_at, next_attempt_at, waiting_for, last_error) "
        "VALUES ('customer', %s, 30, 7, true, %s, 'sent', %s, now() + interval '1 hour', 'whom', 'why') RETURNING id",
        [ENTITY, status, "now" if status in ("done", "skipped") else None],
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("status", ["pending", "waiting", "dead", "done", "skipped"])
def test_setting_pending_reopens(daemon: Connection, operator: Connection, status: str) -> None:
    number = entry(daemon, status)
    operator.execute("UPDATE zoho_outbox SET status = 'pending' WHERE id = %s", [number])
    row = operator.execute(
        "SELECT id, status, change, origin, requested_by, priority, attempts, admitted, next_attempt_at, finished_at, "
        "outcome, waiting_for, last_error, revision FROM zoho_outbox"
    ).fetchall()
    assert row == [
        (number, "pending", "requested", "operator", OPERATOR, 10, 0, False, None, None, None, None, "why", 1)
    ]


def test_setting_pending_of_what_is_being_sent_appends_an_entry(daemon: Connection, operator: Connection) -> None:
    number = entry(daemon, "processing")
    notices: list[str | None] = []
    operator.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    operator.execute("UPDATE zoho_outbox SET status = 'pending' WHERE id = %s", [number])
    assert notices == [f"zoho_outbox {number}: is being sent now; a new entry runs after it"]
    rows = operator.execute(
        "SELECT status, attempts, admitted, revision, change, origin, requested_by, entity_id "
        "FROM zoho_outbox ORDER BY id"
    ).fetchall()
    assert rows == [
        ("processing", 7, True, 0, "updated", "trigger", None, ENTITY),
        ("pending", 0, False, 0, "requested", "operator", OPERATOR, ENTITY),
    ]


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("priority = 1", "priority"),
        ("attempts = 0, last_error = NULL", "attempts, last_error"),
        ("status = 'pending', entity_id = gen_random_uuid()", "entity_id"),
        ("zoho_id = '4600'", "zoho_id"),
        ("outcome = NULL", "outcome"),
        ("admitted = false", "admitted"),
    ],
)
def test_other_columns_are_refused_by_name(
    daemon: Connection, operator: Connection, assignment: str, named: str
) -> None:
    number = entry(daemon, "dead")
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        operator.execute(f"UPDATE zoho_outbox SET {assignment}".encode())
    message = f"zoho_outbox {number}: {named} cannot be changed by hand, only status can"
    assert refusal.value.diag.message_primary == message


@pytest.mark.parametrize("status", ["done", "dead", "skipped", "processing", "waiting"])
def test_other_statuses_are_refused(daemon: Connection, operator: Connection, status: str) -> None:
    entry(daemon, "pending")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"pending only, not to {status}"):
        operator.execute("UPDATE zoho_outbox SET status = %s", [status])


def test_revision_is_nobody_s_but_the_daemon_s(daemon: Connection, operator: Connection) -> None:
    entry(daemon, "dead")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        operator.execute("UPDATE zoho_outbox SET revision = revision + 1, status = 'done'")
    daemon.execute("UPDATE zoho_outbox SET revision = revision + 1, status = 'processing', attempts = 8")
    assert operator.execute("SELECT status, attempts FROM zoho_outbox").fetchall() == [("processing", 8)]


@pytest.mark.parametrize("status", ["pending", "waiting", "processing", "dead"])
def test_unfinished_entries_cannot_be_deleted(daemon: Connection, operator: Connection, status: str) -> None:
    number = entry(daemon, status)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"zoho_outbox {number}: is {status}, only finished"):
        operator.execute("DELETE FROM zoho_outbox")


@pytest.mark.parametrize("status", ["done", "skipped"])
def test_finished_entries_can_be_deleted(daemon: Connection, operator: Connection, status: str) -> None:
    entry(daemon, status)
    assert operator.execute("DELETE FROM zoho_outbox").rowcount == 1


def test_truncate_is_refused_even_to_the_owner(migrated_database: Database) -> None:
    with (
        psycopg.connect(migrated_database.superuser_dsn) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="would lose unfinished entries"),
    ):
        connection.execute("TRUNCATE public.zoho_outbox")


def test_guards_stand_in_replica_mode(migrated_database: Database, daemon: Connection) -> None:
    entry(daemon, "dead")
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only finished"):
            connection.execute("DELETE FROM public.zoho_outbox")


def test_pause_and_resume_record_who_and_why(operator: Connection) -> None:
    state = "SELECT paused_at IS NOT NULL, paused_by, paused_why FROM zoho_outbox_private.organisation"
    (said,) = operator.execute("SELECT zoho_outbox_pause('month end')").fetchall()
    assert said[0].startswith("paused;")
    assert operator.execute(state.encode()).fetchall() == [(True, OPERATOR, "month end")]
    (said,) = operator.execute("SELECT zoho_outbox_pause('again')").fetchall()
    assert "paused already" in said[0]
    assert "month end" in said[0]
    (said,) = operator.execute("SELECT zoho_outbox_resume()").fetchall()
    assert said[0].startswith("resumed;")
    assert operator.execute(state.encode()).fetchall() == [(False, None, None)]
    assert operator.execute("SELECT zoho_outbox_resume()").fetchall() == [("was not paused",)]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_pause_is_the_operator_s(migrated_database: Database, role: str) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT public.zoho_outbox_pause('no')")


def test_replay_rings_where_somebody_listens_for_it(daemon: Connection, operator: Connection) -> None:
    entry(daemon, "dead")
    daemon.execute("UPDATE zoho_outbox_private.bell SET wanted = true")
    daemon.execute("LISTEN zoho_outbox")
    operator.execute("UPDATE zoho_outbox SET status = 'pending'")
    assert [notification.payload for notification in daemon.notifies(timeout=30, stop_after=1)] == [""]


def test_overview_counts_what_is_not_finished(daemon: Connection, operator: Connection) -> None:
    for status in ("pending", "dead", "dead", "done", "skipped"):
        entry(daemon, status)
    daemon.execute("INSERT INTO zoho_outbox (entity_type, entity_id) VALUES ('invoice', gen_random_uuid())")
    rows = operator.execute(
        "SELECT entity_type, status, entries, between_attempts FROM zoho_outbox_overview ORDER BY 1, 2"
    ).fetchall()
    assert rows == [("customer", "dead", 2, 2), ("customer", "pending", 1, 1), ("invoice", "pending", 1, 0)]
