"""``doctor`` on the database's side, against a real one: what is missing, the mend it prints, and that it mends."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import psycopg
import pytest

from outbox.clock import SystemClock
from outbox.commands.doctor.database import (
    MOST_GRANTS,
    check_policies,
    check_rights,
    check_server,
    check_snapshots,
    expected_triggers,
    wanted_rights,
)
from outbox.commands.doctor.findings import DATABASE_CHECKS, ZOHO_CHECKS, Outcome
from outbox.entities.registry import CAPTURES
from outbox.migration.host_shape import read_host
from outbox.store.doctor import Right
from tests.commands.conftest import Host
from tests.commands.doctoring import Doctor, Examined
from tests.host.databases import MIGRATOR, SUPERUSER, Database
from tests.host.shapes import HostShape
from tests.migration.migrated import OPERATOR, migrate_as_migrator

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC).date()
BILLING_BY_HOST = {"ZOHO_RECURRING_BILLING": "host"}
CREDENTIALS = {
    "ZOHO_CLIENT_ID": "1000.X",
    "ZOHO_CLIENT_SECRET": "some-secret",
    "ZOHO_REFRESH_TOKEN": "some-token",
    "ZOHO_BILLING_ORGANIZATION_ID": "10234695",
    "ZOHO_API_BASE_URL": "http://127.0.0.1:1/billing/v1",
    "ZOHO_ACCOUNTS_BASE_URL": "http://127.0.0.1:1",
}
"""With which nobody answers."""


@pytest.fixture
def doctor(migrated_database: Database) -> Doctor:
    """Without a word about Zoho."""
    return Doctor(migrated_database, {})


def mended(host: Host, examined: Examined, check: str) -> None:
    """Runs, as the superuser, the SQL that the mend of a check prints."""
    sql = re.findall(r"((?:GRANT|REVOKE|ALTER) [^;]+;)", examined.one(check).mend)
    assert sql
    for statement in sql:
        host.rows(statement)


# Reached, and who asks.


async def test_a_database_that_cannot_be_reached_is_one_failure_and_nothing_else_is_tried(doctor: Doctor) -> None:
    examined = await doctor.examine(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nowhere")
    assert examined.outcome("database") is Outcome.FAILED
    assert examined.one("database").mend == "check DATABASE_URL and the server"
    for check in (*DATABASE_CHECKS[1:], *ZOHO_CHECKS):
        assert examined.outcome(check) is Outcome.NOT_CHECKED, check


async def test_another_role_than_the_daemon_s_is_told_and_its_rights_are_not_judged(doctor: Doctor) -> None:
    examined = await doctor.examine(role=OPERATOR)
    assert examined.outcome("role") is Outcome.FAILED
    assert "neither zoho_outbox_daemon nor a member of it" in examined.one("role").said
    assert examined.outcome("rights") is examined.outcome("policies") is Outcome.NOT_CHECKED
    assert examined.outcome("triggers") is Outcome.OK


async def test_a_superuser_is_a_warning(doctor: Doctor) -> None:
    examined = await doctor.examine(role=SUPERUSER)
    assert examined.outcome("role") is Outcome.WARNING
    assert examined.outcome("rights") is Outcome.OK


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(140_012, Outcome.FAILED), (150_000, Outcome.OK), (180_006, Outcome.OK), (190_000, Outcome.WARNING)],
)
def test_versions_of_postgresql(number: int, outcome: Outcome) -> None:
    row = {"version_number": number, "version": "x", "database_name": "x"}
    assert check_server(row).outcome is outcome


# The schema.


async def test_a_database_that_is_not_migrated_says_so_once(host_database: Database) -> None:
    examined = await Doctor(host_database, {}).examine(role=MIGRATOR)
    assert (examined.outcome("schema"), examined.one("schema").mend) == (Outcome.FAILED, "zoho-outbox migrate")
    for check in ("rights", "policies", "exposure", "triggers", "identity", "billing", "replicas", "sending"):
        assert examined.outcome(check) is Outcome.NOT_CHECKED, check
    assert examined.outcome("host_triggers") is examined.outcome("listen") is Outcome.OK


async def test_a_migration_that_is_due_is_told(doctor: Doctor, host: Host) -> None:
    host.rows("DELETE FROM zoho_outbox_private.migration WHERE name = '0005_catalogue_and_listing.sql'")
    finding = (await doctor.examine()).one("schema")
    assert (finding.outcome, finding.mend) == (Outcome.FAILED, "zoho-outbox migrate")


async def test_a_step_that_may_wait_is_a_warning(doctor: Doctor, host: Host) -> None:
    host.rows("UPDATE zoho_outbox_private.migration SET checksum = 'old' WHERE name = '02_guards.sql'")
    finding = (await doctor.examine()).one("schema")
    assert (finding.outcome, finding.mend) == (Outcome.WARNING, "zoho-outbox migrate")
    assert "02_guards.sql" in finding.said


async def test_a_newer_schema_that_works_with_this_program_is_well(doctor: Doctor, host: Host) -> None:
    host.rows(
        "INSERT INTO zoho_outbox_private.migration (name, number, works_with, checksum, program_version) "
        "VALUES ('0999_later.sql', 999, 1, 'x', '9')"
    )
    finding = (await doctor.examine()).one("schema")
    assert (finding.outcome, "number 999, newer than this program's" in finding.said) == (Outcome.OK, True)


# Rights.


def test_what_is_wanted_is_what_migrate_granted(migrated_database: Database, host: Host) -> None:
    with psycopg.connect(migrated_database.dsn(), autocommit=True) as connection:
        wanted = wanted_rights(read_host(connection), CAPTURES)
    granted = host.rows(
        """
        SELECT
            class.relname::text AS table_name, attribute.attname::text AS column_name, acl.privilege_type AS privilege
        FROM pg_attribute AS attribute
        JOIN pg_class AS class ON class.oid = attribute.attrelid
        CROSS JOIN LATERAL aclexplode(attribute.attacl) AS acl
        WHERE acl.grantee = 'zoho_outbox_daemon'::regrole AND class.relnamespace = 'public'::regnamespace
        """
    )
    assert {(right.table, right.column, right.privilege) for right in wanted if right.column} == {
        (row["table_name"], row["column_name"], row["privilege"]) for row in granted
    }


@pytest.mark.parametrize(
    "revoke",
    [
        "SELECT (email) ON public.customers",
        "UPDATE (zoho_sync_status) ON public.customer_invoices",
        "SELECT (sku) ON public.service_packages",
        "INSERT ON public.zoho_outbox",
        "UPDATE ON zoho_outbox_private.entity_state",
    ],
)
async def test_a_missing_right_is_named_with_the_grant_that_mends_it(doctor: Doctor, host: Host, revoke: str) -> None:
    host.rows(f"REVOKE {revoke} FROM zoho_outbox_daemon")
    examined = await doctor.examine()
    finding = examined.one("rights")
    assert finding.outcome is Outcome.FAILED
    assert revoke.replace(" ON ", " on ") in finding.said
    mended(host, examined, "rights")
    assert (await doctor.examine()).outcome("rights") is Outcome.OK


async def test_a_schema_that_may_not_be_used_is_named(doctor: Doctor, host: Host) -> None:
    host.rows("REVOKE USAGE ON SCHEMA zoho_outbox_private FROM zoho_outbox_daemon, zoho_outbox_operator")
    examined = await doctor.examine()
    assert examined.outcome("schema") is Outcome.UNKNOWN
    assert "USAGE on SCHEMA zoho_outbox_private" in examined.one("rights").said
    assert examined.outcome("identity") is Outcome.NOT_CHECKED
    mended(host, examined, "rights")
    assert (await doctor.examine()).outcome("rights") is Outcome.OK


def test_a_long_list_of_grants_says_that_it_goes_on() -> None:
    missing = [Right("public", f"table_{number}", "", "SELECT") for number in range(MOST_GRANTS + 3)]
    assert check_rights(missing, "zoho_outbox_daemon").mend.endswith(" and 3 more: run doctor again after these")


async def test_a_policy_that_was_dropped_is_named_and_migrate_mends_it(
    doctor: Doctor, host: Host, migrated_database: Database
) -> None:
    host.rows("DROP POLICY zoho_outbox_read ON public.customers")
    # The daemon is a member of the operators, too.
    host.rows("DROP POLICY zoho_outbox_operator_read ON public.customers")
    host.rows("DROP POLICY zoho_outbox_write ON public.customer_invoices")
    examined = await doctor.examine()
    finding = examined.one("policies")
    assert (finding.outcome, finding.mend) == (Outcome.FAILED, "zoho-outbox migrate")
    assert finding.said.endswith("SELECT on customers, UPDATE on customer_invoices")
    migrate_as_migrator(migrated_database)
    assert (await doctor.examine()).outcome("policies") is Outcome.OK


async def test_a_restrictive_policy_of_the_host_that_meets_the_daemon_is_told(doctor: Doctor, host: Host) -> None:
    host.rows("CREATE POLICY own_rows ON public.customers AS RESTRICTIVE FOR SELECT USING (status = 'active')")
    finding = (await doctor.examine()).one("policies")
    assert (finding.outcome, "own_rows on customers" in finding.said) == (Outcome.FAILED, True)


def test_where_row_level_security_is_off_no_policy_is_needed() -> None:
    row = {"table_name": "customers", "active": False, "policy": None, "command": None, "permissive": None}
    (finding,) = check_policies([row])
    assert finding.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        ("SELECT ON public.zoho_outbox TO anon", "anon: SELECT on public.zoho_outbox"),
        ("USAGE ON SCHEMA zoho_outbox_private TO PUBLIC", "PUBLIC: USAGE on zoho_outbox_private"),
        ("UPDATE (status) ON public.zoho_outbox TO service_role", "service_role: UPDATE on public.zoho_outbox"),
        ("EXECUTE ON FUNCTION public.zoho_outbox_resume() TO authenticated", "authenticated: EXECUTE on"),
    ],
)
async def test_what_others_may_do_with_ours_is_named_with_the_revoke(
    doctor: Doctor, host: Host, grant: str, told: str
) -> None:
    assert (await doctor.examine()).outcome("exposure") is Outcome.OK
    host.rows(f"GRANT {grant}")
    examined = await doctor.examine()
    finding = examined.one("exposure")
    assert (finding.outcome, told in finding.said) == (Outcome.FAILED, True)
    mended(host, examined, "exposure")
    assert (await doctor.examine()).outcome("exposure") is Outcome.OK


# Triggers.


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TRIGGER zoho_outbox_updated ON public.customers", "missing: zoho_outbox_updated on customers"),
        (
            "ALTER TABLE public.customer_invoices DISABLE TRIGGER zoho_outbox_inserted",
            "disabled, changes are not captured: zoho_outbox_inserted on customer_invoices",
        ),
        (
            "ALTER TABLE public.payment_transactions ENABLE TRIGGER zoho_outbox_deleted",
            "not ENABLE ALWAYS, a load in replica mode passes by them: zoho_outbox_deleted on payment_transactions",
        ),
        (
            "ALTER TABLE public.zoho_outbox DISABLE TRIGGER zoho_outbox_guard_update",
            "disabled, changes are not captured: zoho_outbox_guard_update on zoho_outbox",
        ),
        (
            "ALTER TABLE public.product_integrations DISABLE TRIGGER USER",
            "zoho_outbox_published_inserted on product_integrations, zoho_outbox_published_updated on",
        ),
    ],
)
async def test_a_trigger_that_is_not_as_it_must_be_is_named_and_migrate_mends_it(
    doctor: Doctor, host: Host, migrated_database: Database, statement: str, told: str
) -> None:
    host.rows(statement)
    examined = await doctor.examine()
    finding = examined.one("triggers")
    assert (finding.outcome, told in finding.said) == (Outcome.FAILED, True)
    assert finding.mend.startswith("zoho-outbox migrate")
    assert examined.outcome("schema") is Outcome.OK
    migrate_as_migrator(migrated_database)
    assert (await doctor.examine()).outcome("triggers") is Outcome.OK


async def test_the_enabling_that_is_printed_mends_too(doctor: Doctor, host: Host) -> None:
    host.rows("ALTER TABLE public.customer_invoices DISABLE TRIGGER USER")
    mended(host, await doctor.examine(), "triggers")
    assert (await doctor.examine()).outcome("triggers") is Outcome.OK


def test_every_trigger_that_migrate_makes_is_looked_at(host: Host) -> None:
    rows = host.rows(
        "SELECT tgrelid::regclass::text AS name, tgname::text AS trigger FROM pg_trigger "
        "WHERE NOT tgisinternal AND starts_with(tgname, 'zoho_outbox_')"
    )
    made = {(row["name"], row["trigger"]) for row in rows}
    assert made == {(table, name) for table, names in expected_triggers().items() for name in names}


async def test_a_before_trigger_that_changes_a_captured_column_is_told(doctor: Doctor, host: Host) -> None:
    host.rows(
        """
        CREATE FUNCTION public.tidy_customer() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.updated_at := now(); NEW.email := lower(NEW.email); RETURN NEW; END'
        """
    )
    host.rows(
        "CREATE TRIGGER tidy BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION public.tidy_customer()"
    )
    host.rows(
        "CREATE TRIGGER at_birth BEFORE INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.tidy_customer()"
    )
    (told,) = [each for each in (await doctor.examine()).of("host_triggers") if each.outcome is Outcome.WARNING]
    assert told.said.startswith("BEFORE trigger tidy on customers (public.tidy_customer) changes email: ")
    # It is as it says: the change is not captured.
    host.customer("CT-1", email="Loud@Example.com")
    host.forget_captures()
    host.rows("UPDATE public.customers SET updated_at = now()")
    assert host.rows("SELECT id FROM public.zoho_outbox") == []


# Which database, and who bills.


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True)], indirect=True)
async def test_a_log_that_was_there_before_is_told(doctor: Doctor) -> None:
    finding = (await doctor.examine()).one("log_table")
    assert (finding.outcome, "no payload is stored in it" in finding.said) == (Outcome.WARNING, True)


def store_identity(host: Host, **columns: Any) -> None:
    """As after a first run, with ``columns`` otherwise."""
    host.rows(
        """
        UPDATE zoho_outbox_private.installation
        SET system_identifier = (SELECT system_identifier::text FROM pg_control_system()),
            timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
            database_name = current_database(), zoho_organization_id = '10234695', recurring_billing = 'zoho'
        """
    )
    for name, value in columns.items():
        host.rows(f"UPDATE zoho_outbox_private.installation SET {name} = %s", [value])


@pytest.mark.parametrize(
    ("columns", "outcome", "told"),
    [
        ({}, Outcome.OK, "the one that was installed on"),
        ({"database_name": "production"}, Outcome.FAILED, "is a copy of the one that was installed ('production'"),
        ({"system_identifier": "7"}, Outcome.FAILED, "in cluster 7), and must not send"),
        ({"timeline": 77}, Outcome.WARNING, "restored or failed over"),
        (
            {"look_first_since": datetime(2026, 1, 1, tzinfo=UTC), "look_first_why": "a copy was accepted"},
            Outcome.WARNING,
            "every create looks in Zoho first since 2026-01-01 00:00:00 UTC: a copy was accepted",
        ),
    ],
)
async def test_clones_and_restored_databases_are_told_apart(
    doctor: Doctor, host: Host, columns: dict[str, Any], outcome: Outcome, told: str
) -> None:
    store_identity(host, **columns)
    finding = (await doctor.examine()).one("identity")
    assert (finding.outcome, told in finding.said) == (outcome, True), finding


async def test_a_host_that_bills_beside_zoho_is_told(doctor: Doctor, host: Host) -> None:
    customer = host.customer("CT-1")
    recurring = {"invoice_type": "recurring", "due_date": TODAY}
    host.invoice(customer, "OLD", invoice_date=TODAY - timedelta(days=40), **recurring)
    host.invoice(customer, "ONCE", invoice_date=TODAY, due_date=TODAY)
    assert (await doctor.examine()).outcome("billing") is Outcome.OK
    host.invoice(customer, "LATELY-1", invoice_date=TODAY - timedelta(days=30), **recurring)
    host.invoice(customer, "LATELY-2", invoice_date=TODAY - timedelta(days=2), **recurring)
    finding = (await doctor.examine()).one("billing")
    assert finding.outcome is Outcome.WARNING
    assert f"raised 2 recurring invoices in the last 35 days, too (newest {TODAY - timedelta(days=2)}: LATELY-2)" in (
        finding.said
    )
    assert (await doctor.examine(BILLING_BY_HOST)).outcome("billing") is Outcome.OK


async def test_another_billing_mode_than_at_the_first_run_is_told(doctor: Doctor, host: Host) -> None:
    store_identity(host)
    finding = (await doctor.examine(BILLING_BY_HOST)).one("billing")
    assert (finding.outcome, "doctor --accept-billing-mode" in finding.mend) == (Outcome.FAILED, True)


async def test_replicas_of_other_versions_and_with_other_settings_are_told(
    migrated_database: Database, host: Host
) -> None:
    host.daemon_alive()
    host.rows("UPDATE zoho_outbox_private.session SET listening = false")
    host.daemon_alive()
    host.rows("UPDATE zoho_outbox_private.session SET program_version = '0.2.0' WHERE listening")
    host.rows("UPDATE zoho_outbox_private.request_budget SET time_zone = 'Europe/Berlin', day_limit = 2000")
    versions, polling, settings = (await Doctor(migrated_database, CREDENTIALS).examine()).of("replicas")
    assert "2 daemons run, of versions 0.1.0, 0.2.0" in versions.said
    assert "hears no notification: billing-1 pid 4711" in polling.said
    assert "ZOHO_TIME_ZONE Europe/Berlin, here Africa/Johannesburg" in settings.said
    assert "ZOHO_DAILY_REQUEST_LIMIT 2000, here 1000" in settings.said


# Snapshots and clocks.


async def test_whoever_holds_back_vacuum_is_named_with_what_ends_it(migrated_database: Database, host: Host) -> None:
    doctor = Doctor(migrated_database, CREDENTIALS)
    with psycopg.connect(migrated_database.superuser_dsn, application_name="a long report") as holding:
        holding.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holding.execute("SELECT count(*) FROM public.customers")
        young = (await doctor.examine(role=SUPERUSER)).one("snapshots")
        assert young.outcome is Outcome.OK
        old = (await doctor.examine(role=SUPERUSER, HEALTH_SNAPSHOT_SECONDS="0.001")).one("snapshots")
        assert (old.outcome, "(a long report)" in old.said) == (Outcome.WARNING, True)
        assert f"pg_terminate_backend({holding.info.backend_pid});" in old.mend
        holding.rollback()
    assert (await doctor.examine(role=SUPERUSER, HEALTH_SNAPSHOT_SECONDS="0.001")).outcome("snapshots") is Outcome.OK


def test_holders_of_old_snapshots_are_warnings_each_with_what_ends_it() -> None:
    holder = {"named": "session 7 of anna (psql)", "mend": "SELECT pg_terminate_backend(7);", "seconds": 9000.0}
    (found,) = check_snapshots([holder | {"sees_all": True}])
    assert (found.outcome, "for 2 h" in found.said, found.mend.endswith("(7);")) == (Outcome.WARNING, True, True)
    nothing = {"named": None, "mend": None, "seconds": None}
    (well,) = check_snapshots([nothing | {"sees_all": True}])
    (blind,) = check_snapshots([nothing | {"sees_all": False}])
    assert (well.outcome, blind.outcome) == (Outcome.OK, Outcome.WARNING)
    assert blind.said.startswith("could not tell")


class ShiftedClock(SystemClock):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._shift = timedelta(seconds=seconds)

    def now(self, zone: tzinfo) -> datetime:
        return super().now(zone) + self._shift


@pytest.mark.parametrize(
    ("seconds", "outcome", "way"),
    [(0, Outcome.OK, ""), (60, Outcome.WARNING, "behind"), (-3600, Outcome.FAILED, "ahead of")],
)
async def test_a_clock_that_differs_from_the_database_s_is_told(
    doctor: Doctor, seconds: float, outcome: Outcome, way: str
) -> None:
    finding = (await doctor.examine(clock=ShiftedClock(seconds))).one("database_clock")
    assert (finding.outcome, way in finding.said) == (outcome, True)


@pytest.mark.parametrize("shape", [HostShape(supabase=False), HostShape(columns="november_2025", rows=True)])
async def test_other_hosts_are_well_too(
    new_migrated_database: Callable[[HostShape], Database], shape: HostShape
) -> None:
    examined = await Doctor(new_migrated_database(shape), {}).examine()
    assert examined.bad() == {"settings", "sync", "http", "alerts", *ZOHO_CHECKS}
