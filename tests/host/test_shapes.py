"""The host fixture is what the production schema dump says, in every shape."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors

from tests.host.databases import MIGRATOR, Database
from tests.host.shapes import API_ROLES, HOST_TABLES, SYNCED_TABLES, HostShape

EVERY_SHAPE = [
    pytest.param(HostShape(), id="today"),
    pytest.param(HostShape(columns="november_2025", rows=True), id="november 2025 with rows"),
    pytest.param(HostShape(supabase=False), id="plain PostgreSQL"),
    pytest.param(HostShape(sync_logs=True, star_columns="present", rows=True, leftovers=True), id="first sync"),
    pytest.param(
        HostShape("november_2025", False, True, "checked", rows=True, leftovers=True),
        id="checked, not Supabase",
    ),
    pytest.param(HostShape(star_columns="checked", rows=True), id="checked"),
]

COLUMNS_AFTER_NOVEMBER = {"invoice_type", "service_id", "notes", "vat_rate", "period_start", "period_end"}


def columns_of(connection: psycopg.Connection, table: str) -> set[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [f"public.{table}"],
    ).fetchall()
    return {name for (name,) in rows}


@pytest.mark.parametrize("host_database", EVERY_SHAPE, indirect=True)
def test_everything_in_the_database_belongs_to_a_role_that_is_no_superuser(host_database: Database) -> None:
    with psycopg.connect(host_database.superuser_dsn) as connection:
        owners = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            " UNION SELECT rolname FROM pg_proc JOIN pg_roles r ON r.oid = proowner"
            "  WHERE pronamespace = 'public'::regnamespace"
            " UNION SELECT rolname FROM pg_database JOIN pg_roles r ON r.oid = datdba"
            "  WHERE datname = current_database()"
        ).fetchall()
        role = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = %s",
            [MIGRATOR],
        ).fetchone()
    assert owners == [(MIGRATOR,)]
    assert role == (False, True, False, True)


def test_invoices_of_november_2025_lack_the_columns_that_came_later(
    new_host_database: Callable[[HostShape], Database],
) -> None:
    november = new_host_database(HostShape(columns="november_2025"))
    today = new_host_database(HostShape())
    with psycopg.connect(november.dsn()) as then, psycopg.connect(today.dsn()) as now:
        assert columns_of(now, "customer_invoices") - columns_of(then, "customer_invoices") == (COLUMNS_AFTER_NOVEMBER)
        payments = columns_of(now, "payment_transactions") - columns_of(then, "payment_transactions")
        assert payments == {"customer_invoice_id"}
        for table in set(HOST_TABLES) - {"customer_invoices", "payment_transactions"}:
            assert columns_of(now, table) == columns_of(then, table)


def test_today_has_neither_status_columns_nor_the_log_of_the_first_sync(host_database: Database) -> None:
    with psycopg.connect(host_database.dsn()) as connection:
        for table in SYNCED_TABLES:
            assert "zoho_sync_status" not in columns_of(connection, table)
        assert connection.execute("SELECT to_regclass('public.zoho_sync_logs')").fetchone() == (None,)


@pytest.mark.parametrize("host_database", [HostShape(rows=True)], indirect=True)
def test_every_table_holds_rows_and_one_customer_has_an_empty_email(host_database: Database) -> None:
    with psycopg.connect(host_database.dsn()) as connection:
        for table in HOST_TABLES:
            count = connection.execute(f"SELECT count(*) FROM public.{table}".encode()).fetchone()
            assert count is not None
            assert count[0] > 0, table
        assert connection.execute("SELECT count(*) FROM customers WHERE email = ''").fetchone() == (1,)


@pytest.mark.parametrize("host_database", [HostShape(rows=True)], indirect=True)
def test_an_update_of_an_invoice_is_audited_and_a_locked_one_keeps_its_amounts(
    host_database: Database,
) -> None:
    with psycopg.connect(host_database.dsn(), autocommit=True) as connection:
        locked = connection.execute("SELECT id FROM customer_invoices WHERE is_locked").fetchone()
        assert locked is not None
        connection.execute("TRUNCATE customer_invoice_audit")
        with pytest.raises(errors.RestrictViolation, match="is locked"):
            connection.execute("UPDATE customer_invoices SET total_amount = 1 WHERE id = %s", locked)
        connection.execute("UPDATE customer_invoices SET notes = 'seen' WHERE id = %s", locked)
        audited = connection.execute("SELECT invoice_id, new_row ->> 'notes' FROM customer_invoice_audit")
        assert audited.fetchall() == [(locked[0], "seen")]


@pytest.mark.parametrize("host_database", [HostShape(star_columns="present", rows=True, leftovers=True)], indirect=True)
@pytest.mark.parametrize("table", SYNCED_TABLES)
def test_crashes_of_the_first_sync_left_rows_syncing_and_retrying(host_database: Database, table: str) -> None:
    with psycopg.connect(host_database.dsn()) as connection:
        found = connection.execute(f"SELECT DISTINCT zoho_sync_status FROM public.{table}".encode()).fetchall()
    assert {"syncing", "retrying", "pending"} <= {status for (status,) in found}


@pytest.mark.parametrize("host_database", [HostShape(star_columns="checked", rows=True)], indirect=True)
def test_a_host_with_a_check_on_the_status_refuses_skipped(host_database: Database) -> None:
    with (
        psycopg.connect(host_database.dsn()) as connection,
        pytest.raises(errors.CheckViolation),
    ):
        connection.execute("UPDATE customers SET zoho_sync_status = 'skipped'")


@pytest.mark.parametrize("host_database", [HostShape(sync_logs=True)], indirect=True)
@pytest.mark.parametrize(
    ("entity_type", "zoho_entity_type", "attempt"),
    [("subscription", "Subscriptions", 1), ("payment", "Payments", 1), ("customer", "Contacts", 4)],
)
def test_the_old_log_refuses_what_the_first_sync_lost(
    host_database: Database, entity_type: str, zoho_entity_type: str, attempt: int
) -> None:
    with psycopg.connect(host_database.dsn()) as connection, pytest.raises(errors.CheckViolation):
        connection.execute(
            "INSERT INTO zoho_sync_logs (entity_type, entity_id, zoho_entity_type, attempt_number)"
            " VALUES (%s, gen_random_uuid(), %s, %s)",
            [entity_type, zoho_entity_type, attempt],
        )


@pytest.mark.parametrize("role", API_ROLES)
def test_on_supabase_a_new_table_is_granted_to_the_api_roles_by_name(host_database: Database, role: str) -> None:
    with psycopg.connect(host_database.dsn()) as connection:
        connection.execute("CREATE TABLE public.brand_new (id bigint GENERATED ALWAYS AS IDENTITY)")
        connection.execute("CREATE FUNCTION public.brand_new() RETURNS int LANGUAGE sql RETURN 1")
        granted = connection.execute(
            "SELECT has_table_privilege(%(role)s, 'public.brand_new', 'SELECT'),"
            " has_table_privilege(%(role)s, 'public.brand_new', 'TRUNCATE'),"
            " has_function_privilege(%(role)s, 'public.brand_new()', 'EXECUTE')",
            {"role": role},
        ).fetchone()
    assert granted == (True, True, True)


def test_on_supabase_row_level_security_hides_rows_without_an_error(
    new_host_database: Callable[[HostShape], Database],
) -> None:
    database = new_host_database(HostShape(rows=True))
    seen: dict[str, int] = {}
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        secured = connection.execute(
            "SELECT bool_and(rowsecurity) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
        for role in ("authenticated", "service_role"):
            connection.execute(f"SET ROLE {role}".encode())
            row = connection.execute("SELECT count(*) FROM public.customers").fetchone()
            assert row is not None
            seen[role] = row[0]
    assert secured == (True,)
    assert seen == {"authenticated": 0, "service_role": 7}


def test_leftover_statuses_without_the_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="need star_columns and rows"):
        HostShape(leftovers=True, rows=True)
