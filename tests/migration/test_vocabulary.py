"""SQL's words are Python's, and every object says what it is."""

import re
from enum import Enum
from typing import Any

import psycopg
import pytest

from outbox.migration.steps import ANY_ATTEMPT, LOG_VOCABULARY, STATUS_VOCABULARY
from outbox.vocabulary import Change, EntityType, EntryStatus, Origin, Outcome, Phase, SyncStatus
from tests.host.databases import Database
from tests.host.shapes import HostShape


def words_of(database: Database, table: str, constraint: str) -> set[str]:
    with psycopg.connect(database.superuser_dsn) as connection:
        row = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s",
            [table, constraint],
        ).fetchone()
    assert row is not None
    return set(re.findall(r"'([^']*)'::text", row[0]))


def values(kind: type[Enum]) -> set[str]:
    return {str(member.value) for member in kind}


@pytest.mark.parametrize(
    ("table", "constraint", "kind"),
    [
        ("zoho_outbox_private.entity_state", "entity_state_entity_type", EntityType),
        ("zoho_outbox_private.entity_state", "entity_state_phase", Phase),
    ],
)
def test_checks_of_our_tables_hold_the_enums_words(
    migrated_database: Database, table: str, constraint: str, kind: type[Enum]
) -> None:
    assert words_of(migrated_database, table, constraint) == values(kind)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("entity_type", EntityType),
        ("status", EntryStatus),
        ("change", Change),
        ("origin", Origin),
        ("outcome", Outcome),
    ],
)
def test_domains_of_the_entries_columns_hold_the_enums_words(
    migrated_database: Database, column: str, kind: type[Enum]
) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        row = connection.execute(
            """
            SELECT pg_get_constraintdef(con.oid)
            FROM pg_attribute AS attribute
            JOIN pg_constraint AS con ON con.contypid = attribute.atttypid
            WHERE attribute.attrelid = 'public.zoho_outbox'::regclass AND attribute.attname = %s
            """,
            [column],
        ).fetchone()
    assert row is not None
    assert set(re.findall(r"'([^']*)'::text", row[0])) == values(kind)


@pytest.mark.parametrize("migrated_database", [HostShape(), HostShape(sync_logs=True)], indirect=True)
@pytest.mark.parametrize("column", list(LOG_VOCABULARY))
def test_checks_of_the_log_hold_its_words(migrated_database: Database, column: str) -> None:
    assert words_of(migrated_database, "zoho_sync_logs", f"zoho_sync_logs_{column}_check") == set(
        LOG_VOCABULARY[column]
    )


@pytest.mark.parametrize("migrated_database", [HostShape(star_columns="checked")], indirect=True)
@pytest.mark.parametrize("table", ["customers", "customer_services", "customer_invoices", "payment_transactions"])
def test_widened_status_checks_hold_what_the_daemon_and_older_rows_write(
    migrated_database: Database, table: str
) -> None:
    words = words_of(migrated_database, table, f"{table}_zoho_sync_status_check")
    assert words == set(STATUS_VOCABULARY) == values(SyncStatus) | {"pending", "syncing"}


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True)], indirect=True)
def test_attempts_are_counted_beyond_three(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        row = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'zoho_sync_logs_attempt_number_check'"
        ).fetchone()
    assert row is not None
    assert ANY_ATTEMPT in row[0]


WITHOUT_COMMENT = {
    "schemas": """
        SELECT nspname FROM pg_namespace
        WHERE nspname LIKE 'zoho%' AND obj_description(oid, 'pg_namespace') IS NULL""",
    "roles": """
        SELECT rolname FROM pg_roles
        WHERE rolname LIKE 'zoho\\_outbox%' AND shobj_description(oid, 'pg_authid') IS NULL""",
    "relations": """
        SELECT relname FROM pg_class
        WHERE relowner = 'zoho_outbox_owner'::regrole AND relkind IN ('r', 'v')
            AND obj_description(oid, 'pg_class') IS NULL""",
    "columns": """
        SELECT attrelid::regclass::text || '.' || attname
        FROM pg_attribute JOIN pg_class AS relation ON relation.oid = attrelid
        WHERE attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
            AND (
                (relowner = 'zoho_outbox_owner'::regrole AND relkind = 'r')
                OR EXISTS (
                    SELECT FROM zoho_outbox_private.host_change AS change
                    WHERE change.kind = 'column_added' AND change.table_name = relname AND change.name = attname
                )
            )""",
    "functions": """
        SELECT proname FROM pg_proc
        WHERE proowner = 'zoho_outbox_owner'::regrole AND obj_description(oid, 'pg_proc') IS NULL""",
}


@pytest.mark.parametrize("migrated_database", [HostShape(), HostShape(sync_logs=True)], indirect=True)
@pytest.mark.parametrize("kind", list(WITHOUT_COMMENT))
def test_every_object_has_a_comment(migrated_database: Database, kind: str) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        silent: list[Any] = connection.execute(WITHOUT_COMMENT[kind].encode()).fetchall()
    assert silent == []


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True, star_columns="present")], indirect=True)
def test_comments_of_the_host_s_own_objects_are_left_alone(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        row = connection.execute(
            "SELECT obj_description('zoho_sync_logs'::regclass, 'pg_class'), col_description('customers'::regclass, "
            "(SELECT attnum FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'zoho_sync_status'))"
        ).fetchone()
    assert row == (None, None)
