"""Who may do what (decisions.md, "Rows and rights"), on a host with Supabase's default privileges."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest

from tests.host.databases import MIGRATOR, Database
from tests.host.shapes import API_ROLES, HostShape
from tests.migration.migrated import DAEMON, OPERATOR

OUR_ROLES = ("zoho_outbox_owner", "zoho_outbox_daemon", "zoho_outbox_operator")
HOST_ROLES = (*API_ROLES, "authenticator", "finance_reader", "public")
OWNED = "SELECT oid::regclass::text FROM pg_class WHERE relowner = 'zoho_outbox_owner'::regrole"
TABLES = f"{OWNED} AND relkind IN ('r', 'v')"
SEQUENCES = f"{OWNED} AND relkind = 'S'"
FUNCTIONS = "SELECT oid::regprocedure::text FROM pg_proc WHERE proowner = 'zoho_outbox_owner'::regrole"
OPERATORS_FUNCTIONS = {
    "zoho_explain(text,uuid)",
    "zoho_outbox_forget(uuid,text)",
    "zoho_outbox_pause(text)",
    "zoho_outbox_replay(bigint)",
    "zoho_outbox_replay_dead(text,timestamp with time zone)",
    "zoho_outbox_replay_entity(text,uuid)",
    "zoho_outbox_resume()",
    "zoho_outbox_skip(bigint,text)",
}
BEHIND_VIEWS = {
    "zoho_outbox_private.cause(text)",
    "zoho_outbox_private.dead_by_cause()",
    "zoho_outbox_private.sync_by_day()",
}


def fetch(database: Database, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[Any]:
    with psycopg.connect(database.superuser_dsn) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


@pytest.mark.parametrize(
    "migrated_database", [HostShape(), HostShape(columns="november_2025"), HostShape(supabase=False)], indirect=True
)
@pytest.mark.parametrize("role", HOST_ROLES)
def test_roles_of_the_host_may_do_nothing_with_what_we_made(migrated_database: Database, role: str) -> None:
    granted = fetch(
        migrated_database,
        f"""
        SELECT name, privilege FROM ({TABLES}) AS object (name)
        CROSS JOIN unnest(
            ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
        ) AS privilege
        WHERE has_table_privilege(%(role)s, name, privilege)
        UNION ALL
        SELECT name, privilege FROM ({TABLES}) AS object (name)
        CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
        WHERE has_any_column_privilege(%(role)s, name, privilege)
        UNION ALL
        SELECT name, privilege FROM ({SEQUENCES}) AS object (name)
        CROSS JOIN unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS privilege
        WHERE has_sequence_privilege(%(role)s, name, privilege)
        UNION ALL
        SELECT name, 'EXECUTE' FROM ({FUNCTIONS}) AS object (name)
        WHERE has_function_privilege(%(role)s, name, 'EXECUTE')
        UNION ALL
        SELECT 'zoho_outbox_private', privilege FROM unnest(ARRAY['USAGE', 'CREATE']) AS privilege
        WHERE has_schema_privilege(%(role)s, 'zoho_outbox_private', privilege)
        """,
        {"role": role},
    )
    assert granted == []


@pytest.mark.parametrize("role", [*API_ROLES, "authenticator", "finance_reader"])
def test_roles_of_the_host_are_no_members_of_ours(migrated_database: Database, role: str) -> None:
    assert (
        fetch(
            migrated_database,
            "SELECT ours FROM unnest(%s::text[]) AS ours WHERE pg_has_role(%s, ours, 'MEMBER')",
            [list(OUR_ROLES), role],
        )
        == []
    )


def test_there_is_something_to_ask_about(migrated_database: Database) -> None:
    names = {name for (name,) in fetch(migrated_database, f"{TABLES} UNION ALL {FUNCTIONS}")}
    assert {
        "zoho_outbox",
        "zoho_sync_logs",
        "zoho_outbox_overview",
        "zoho_outbox_private.access_token",
        *OPERATORS_FUNCTIONS,
        "zoho_outbox_private.capture_inserted()",
    } <= names
    assert len(names) > 25


def test_operators_functions_are_granted_to_the_operator_s_role_alone(migrated_database: Database) -> None:
    granted = fetch(
        migrated_database,
        "SELECT proc.oid::regprocedure::text, acl.grantee::regrole::text FROM pg_proc AS proc "
        "CROSS JOIN aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS acl "
        "WHERE proc.proowner = 'zoho_outbox_owner'::regrole AND acl.grantee <> proc.proowner",
    )
    assert set(granted) == {(name, "zoho_outbox_operator") for name in OPERATORS_FUNCTIONS | BEHIND_VIEWS}


@pytest.mark.parametrize("role", [*API_ROLES, "finance_reader"])
@pytest.mark.parametrize(
    "call",
    [
        "zoho_outbox_replay(1)",
        "zoho_outbox_replay_entity('customer', gen_random_uuid())",
        "zoho_outbox_replay_dead()",
        "zoho_outbox_skip(1, 'no')",
        "zoho_outbox_forget(gen_random_uuid(), 'no')",
        "zoho_explain('customer', gen_random_uuid())",
    ],
)
def test_roles_of_the_host_call_no_function_of_the_operators(migrated_database: Database, role: str, call: str) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for function"):
            connection.execute(f"SELECT public.{call}".encode())


def test_everything_in_our_schema_is_the_owner_s(migrated_database: Database) -> None:
    assert (
        fetch(
            migrated_database,
            "SELECT relname FROM pg_class WHERE relnamespace = 'zoho_outbox_private'::regnamespace "
            "AND relowner <> 'zoho_outbox_owner'::regrole UNION ALL "
            "SELECT proname FROM pg_proc WHERE pronamespace = 'zoho_outbox_private'::regnamespace "
            "AND proowner <> 'zoho_outbox_owner'::regrole",
        )
        == []
    )


def test_new_functions_of_the_owner_are_not_everybody_s_between_two_steps(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.dsn(MIGRATOR)) as connection:
        connection.execute("SET ROLE zoho_outbox_owner")
        connection.execute("CREATE FUNCTION zoho_outbox_private.later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        row = connection.execute("SELECT has_function_privilege('anon', 'zoho_outbox_private.later()', 'EXECUTE')")
        assert row.fetchone() == (False,)


def test_access_token_is_read_by_the_daemon_and_the_owner_alone(migrated_database: Database) -> None:
    readers = fetch(
        migrated_database,
        "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname NOT LIKE 'pg\\_%%' "
        "AND has_any_column_privilege(oid, 'zoho_outbox_private.access_token', 'SELECT') ORDER BY 1",
        [],
    )
    # The migrator is a member of the owner: who may migrate can read everything.
    assert [name for (name,) in readers] == ["migrator", "zoho_outbox_daemon", "zoho_outbox_owner"]


def test_owner_cannot_log_in_and_none_of_our_roles_is_powerful(migrated_database: Database) -> None:
    rows = fetch(
        migrated_database,
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'zoho\\_outbox%%' "
        "AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolreplication "
        "ORDER BY 1",
        [],
    )
    assert rows == [("zoho_outbox_daemon", True), ("zoho_outbox_operator", False), ("zoho_outbox_owner", False)]


def test_owner_keeps_no_right_to_create_in_public(migrated_database: Database) -> None:
    assert fetch(migrated_database, "SELECT has_schema_privilege('zoho_outbox_owner', 'public', 'CREATE')") == [
        (False,)
    ]


@pytest.mark.parametrize("table", ["customers", "customer_services", "customer_invoices", "payment_transactions"])
def test_daemon_writes_the_status_columns_alone(migrated_database: Database, table: str) -> None:
    rows = fetch(
        migrated_database,
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND has_column_privilege('zoho_outbox_daemon', attrelid, attnum, 'UPDATE')",
        [table],
    )
    names = {name for (name,) in rows}
    assert {"zoho_sync_status", "zoho_last_synced_at", "zoho_last_sync_error"} < names
    assert len(names) == 4
    assert all(name.startswith("zoho_") and name != "zoho_invoice_id" for name in names)
    others = fetch(
        migrated_database,
        "SELECT privilege FROM unnest(ARRAY['INSERT', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) AS privilege "
        "WHERE has_table_privilege('zoho_outbox_daemon', %s, privilege)",
        [table],
    )
    assert others == []


@pytest.mark.parametrize("role", ["zoho_outbox_daemon", "zoho_outbox_owner", "zoho_outbox_operator"])
def test_nobody_of_ours_reads_id_number(migrated_database: Database, role: str) -> None:
    query = "SELECT has_column_privilege(%s, 'customers', 'id_number', 'SELECT')"
    assert fetch(migrated_database, query, [role]) == [(False,)]


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True, sync_logs=True)], indirect=True)
def test_row_level_security_hides_nothing_from_the_daemon(migrated_database: Database) -> None:
    tables = ("customers", "customer_services", "customer_invoices", "payment_transactions", "zoho_sync_logs")
    with psycopg.connect(migrated_database.dsn(DAEMON)) as connection:
        for table in (*tables, "service_packages", "product_integrations"):
            (there,) = fetch(migrated_database, f"SELECT count(id) FROM {table}")
            assert there[0] > 0
            assert connection.execute(f"SELECT count(id) FROM {table}".encode()).fetchone() == there
        for table in tables[:-1]:
            changed = connection.execute(f"UPDATE {table} SET zoho_last_sync_error = 'x'".encode())
            (there,) = fetch(migrated_database, f"SELECT count(*) FROM {table}")
            assert changed.rowcount == there[0]


def test_definer_s_functions_fix_their_search_path_and_are_nobody_s(migrated_database: Database) -> None:
    rows = fetch(
        migrated_database,
        "SELECT proname, prosecdef, proconfig, pg_get_userbyid(proowner), "
        "EXISTS (SELECT FROM aclexplode(COALESCE(proacl, acldefault('f', proowner))) WHERE grantee = 0) "
        "FROM pg_proc WHERE proname LIKE 'zoho\\_outbox%%' OR pronamespace = 'zoho_outbox_private'::regnamespace",
        [],
    )
    assert len(rows) >= 10
    for name, definer, settings, owner, everybody in rows:
        assert definer, name
        assert 'search_path=""' in settings, name
        assert owner == "zoho_outbox_owner", name
        assert not everybody, name


def test_views_show_what_their_reader_may_see(migrated_database: Database) -> None:
    rows = fetch(
        migrated_database,
        "SELECT relname, reloptions FROM pg_class WHERE relkind = 'v' AND relowner = 'zoho_outbox_owner'::regrole",
    )
    assert rows
    assert all("security_invoker=true" in options for _, options in rows)


def test_our_tables_in_public_have_row_level_security(migrated_database: Database) -> None:
    rows = fetch(
        migrated_database,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relowner = 'zoho_outbox_owner'::regrole "
        "AND relnamespace = 'public'::regnamespace AND NOT relrowsecurity",
    )
    assert rows == []


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True)], indirect=True)
def test_log_that_was_there_keeps_its_owner_and_his_grants(migrated_database: Database) -> None:
    rows = fetch(
        migrated_database,
        "SELECT pg_get_userbyid(relowner), has_table_privilege('finance_reader', oid, 'SELECT'), "
        "has_table_privilege('service_role', oid, 'INSERT'), has_table_privilege('zoho_outbox_daemon', oid, 'INSERT') "
        "FROM pg_class WHERE oid = 'zoho_sync_logs'::regclass",
    )
    assert rows == [(MIGRATOR, True, True, True)]


def test_operator_reads_the_state_but_writes_none_of_it(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.dsn(OPERATOR), autocommit=True) as connection:
        for table in ("entity_state", "session", "installation", "organisation", "day_budget", "request_budget"):
            connection.execute(f"SELECT count(*) FROM zoho_outbox_private.{table}".encode())
        for statement in (
            "UPDATE zoho_outbox_private.organisation SET paused_at = now()",
            "DELETE FROM zoho_outbox_private.entity_state",
            "INSERT INTO zoho_outbox (entity_type, entity_id) VALUES ('customer', gen_random_uuid())",
            "TRUNCATE zoho_outbox",
            "SELECT secret FROM zoho_outbox_private.access_token",
            "UPDATE zoho_outbox SET revision = revision + 1",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_daemon_cannot_change_what_migrate_recorded(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.dsn(DAEMON), autocommit=True) as connection:
        for table in ("migration", "host_change"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM zoho_outbox_private.{table}".encode())
