"""Capture: which changes of the host's rows become entries, whoever makes them and however."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from outbox.entities.registry import CAPTURES
from outbox.vocabulary import EntityType
from tests.host.databases import Database
from tests.migration.migrated import DAEMON

Connection = psycopg.Connection[tuple[Any, ...]]

MAPPED = next(capture.mapped_columns for capture in CAPTURES if capture.entity_type is EntityType.CUSTOMER)

CHANGED = {
    "first_name": "'Other'",
    "last_name": "'Other'",
    "email": "'other@example.com'",
    "phone": "'0'",
    "account_type": "'business'",
    "business_name": "'Quarry'",
    "account_number": "'CT-2026-00001'",
    "account_status": "'suspended'",
}


@pytest.fixture
def host(migrated_database: Database) -> Iterator[Connection]:
    """An application that may do anything with the host's tables."""
    with psycopg.connect(migrated_database.superuser_dsn, autocommit=True) as connection:
        yield connection


def insert(host: Connection, *names: str) -> list[UUID]:
    """Customers, in one statement."""
    rows = host.execute(
        "INSERT INTO public.customers (first_name, last_name, email, phone) "
        "SELECT name, 'Meadow', name || '@example.com', '1' FROM unnest(%s::text[]) AS name RETURNING id",
        [list(names)],
    ).fetchall()
    return [row[0] for row in rows]


def entries(host: Connection) -> list[tuple[Any, ...]]:
    """Every entry, in order: type, id, change, origin."""
    return host.execute("SELECT entity_type, entity_id, change, origin FROM public.zoho_outbox ORDER BY id").fetchall()


def of_customers(host: Connection) -> list[tuple[Any, ...]]:
    """Those that concern customers: services have entries of their own."""
    return [entry for entry in entries(host) if entry[0] == "customer"]


@pytest.fixture
def customer(host: Connection) -> UUID:
    """A customer whose entries are gone."""
    (customer_id,) = insert(host, "anna")
    forget(host)
    return customer_id


def forget(host: Connection) -> None:
    """Removes all entries, as only a superuser in replica mode could not: the guards are off for a moment."""
    with host.transaction():
        host.execute("ALTER TABLE public.zoho_outbox DISABLE TRIGGER USER")
        host.execute("DELETE FROM public.zoho_outbox")
        for name in ("update", "delete", "truncate"):
            host.execute(f"ALTER TABLE public.zoho_outbox ENABLE ALWAYS TRIGGER zoho_outbox_guard_{name}".encode())


def test_insert(host: Connection) -> None:
    (customer_id,) = insert(host, "anna")
    assert entries(host) == [("customer", customer_id, "inserted", "trigger")]
    row = host.execute("SELECT status, priority, attempts, admitted, requested_by FROM public.zoho_outbox").fetchone()
    assert row == ("pending", 10, 0, False, None)


def test_rows_of_one_statement(host: Connection) -> None:
    ids = insert(host, "anna", "ben", "cleo")
    assert {entry[1] for entry in entries(host)} == set(ids)
    assert len(entries(host)) == 3


def test_copy(host: Connection) -> None:
    with (
        host.cursor() as cursor,
        cursor.copy("COPY public.customers (first_name, last_name, email, phone) FROM STDIN") as copy,
    ):
        copy.write_row(("anna", "Meadow", "a@example.com", "1"))
        copy.write_row(("ben", "Quarry", "b@example.com", "1"))
    assert [entry[2] for entry in entries(host)] == ["inserted", "inserted"]


def test_insert_of_nothing(host: Connection) -> None:
    assert insert(host) == []
    assert entries(host) == []


def test_insert_on_conflict(host: Connection, customer: UUID) -> None:
    upsert = (
        "INSERT INTO public.customers (first_name, last_name, email, phone) "
        "VALUES ('anna', 'Meadow', 'anna@example.com', '2') ON CONFLICT (email) "
    )
    host.execute(f"{upsert} DO NOTHING".encode())
    assert entries(host) == []
    host.execute(f"{upsert} DO UPDATE SET phone = EXCLUDED.phone".encode())
    assert entries(host) == [("customer", customer, "updated", "trigger")]


def test_merge(host: Connection, customer: UUID) -> None:
    host.execute(
        "MERGE INTO public.customers AS host USING (VALUES ('anna@example.com', '2'), ('ben@example.com', '3')) "
        "AS new (email, phone) ON host.email = new.email "
        "WHEN MATCHED THEN UPDATE SET phone = new.phone "
        "WHEN NOT MATCHED THEN INSERT (first_name, last_name, email, phone) VALUES ('b', 'b', new.email, new.phone)"
    )
    assert sorted(entry[2] for entry in entries(host)) == ["inserted", "updated"]


def test_every_mapped_column_is_tried_below() -> None:
    assert set(CHANGED) == set(MAPPED)


@pytest.mark.parametrize("column", MAPPED)
def test_update_of_a_mapped_column(host: Connection, customer: UUID, column: str) -> None:
    host.execute(f"UPDATE public.customers SET {column} = {CHANGED[column]}".encode())
    assert entries(host) == [("customer", customer, "updated", "trigger")]


@pytest.mark.parametrize("column", MAPPED)
def test_update_to_the_same_value(host: Connection, customer: UUID, column: str) -> None:
    host.execute(f"UPDATE public.customers SET {column} = {column}".encode())
    assert entries(host) == []


def test_update_of_other_columns(host: Connection, customer: UUID) -> None:
    host.execute(
        "UPDATE public.customers SET updated_at = now(), email_verified = true, id_number = '1', tax_number = '2', "
        "zoho_last_synced_at = now(), zoho_last_sync_error = 'x', zoho_sync_status = 'synced'"
    )
    assert entries(host) == []


def test_update_of_many_rows(host: Connection) -> None:
    ids = insert(host, "anna", "ben")
    forget(host)
    host.execute("UPDATE public.customers SET phone = '2'")
    assert {(entry[1], entry[2]) for entry in entries(host)} == {(each, "updated") for each in ids}


@pytest.mark.parametrize("before", ["pending", "synced", "failed", None])
def test_status_set_to_pending_by_hand(host: Connection, customer: UUID, before: str | None) -> None:
    host.execute("UPDATE public.customers SET zoho_sync_status = %s", [before])
    forget(host)
    host.execute("UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = %s", [customer])
    assert entries(host) == [("customer", customer, "requested", "operator")]
    row = host.execute("SELECT requested_by, session_user FROM public.zoho_outbox").fetchone()
    assert row is not None
    assert row[0] == row[1]


@pytest.mark.parametrize("status", ["synced", "failed", "retrying", "skipped", "syncing"])
def test_other_statuses_ask_for_nothing(host: Connection, customer: UUID, status: str) -> None:
    host.execute("UPDATE public.customers SET zoho_sync_status = %s", [status])
    assert entries(host) == []


def test_zoho_id_set_by_another_hand(host: Connection, customer: UUID) -> None:
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '4600'")
    assert entries(host) == [("customer", customer, "id_set", "operator")]
    row = host.execute("SELECT zoho_id, requested_by = session_user FROM public.zoho_outbox").fetchone()
    assert row == ("4600", True)


def test_zoho_id_that_the_daemon_recorded(host: Connection, customer: UUID) -> None:
    host.execute(
        "INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, zoho_id) "
        "VALUES ('customer', %s, 'idle', '4600')",
        [customer],
    )
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '4600'")
    assert entries(host) == []
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '4601'")
    assert [entry[2] for entry in entries(host)] == ["id_set"]


def test_zoho_id_recorded_and_written_in_one_statement_by_the_daemon(
    migrated_database: Database, host: Connection, customer: UUID
) -> None:
    with psycopg.connect(migrated_database.dsn(DAEMON)) as daemon:
        daemon.execute(
            "WITH recorded AS (INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, zoho_id) "
            "VALUES ('customer', %(id)s, 'idle', '4600')) "
            "UPDATE public.customers SET zoho_billing_customer_id = '4600', zoho_sync_status = 'synced' "
            "WHERE id = %(id)s",
            {"id": customer},
        )
    assert entries(host) == []


@pytest.mark.parametrize("cleared", [None, ""])
def test_zoho_id_cleared(host: Connection, customer: UUID, cleared: str | None) -> None:
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '4600'")
    forget(host)
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = %s", [cleared])
    assert entries(host) == []


def test_delete_keeps_the_zoho_id(host: Connection) -> None:
    insert(host, "anna", "ben")
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '4600' WHERE first_name = 'anna'")
    forget(host)
    host.execute("DELETE FROM public.customers")
    rows = host.execute("SELECT change, zoho_id FROM public.zoho_outbox ORDER BY zoho_id").fetchall()
    assert rows == [("deleted", "4600"), ("deleted", None)]


@pytest.mark.parametrize("row_security", ["on", "off"])
def test_truncate_keeps_the_zoho_ids(migrated_database: Database, host: Connection, row_security: str) -> None:
    ids = insert(host, "anna", "ben")
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '4600'")
    forget(host)
    # pg_restore runs with row_security off.
    with psycopg.connect(migrated_database.dsn(), options=f"-c row_security={row_security}") as owner:
        owner.execute("TRUNCATE public.customers CASCADE")
    rows = host.execute("SELECT entity_id, change, zoho_id FROM public.zoho_outbox").fetchall()
    assert sorted(rows) == sorted((each, "truncated", "4600") for each in ids)


def test_rolled_back_change(host: Connection) -> None:
    with host.transaction(force_rollback=True):
        insert(host, "anna")
        host.execute("UPDATE public.customers SET phone = '2', zoho_sync_status = 'pending'")
        host.execute("DELETE FROM public.customers")
        assert len(entries(host)) == 4
    assert entries(host) == []


def test_replica_mode(host: Connection, customer: UUID) -> None:
    host.execute("SET session_replication_role = replica")
    insert(host, "ben")
    host.execute("UPDATE public.customers SET phone = '2' WHERE id = %s", [customer])
    host.execute("UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = %s", [customer])
    host.execute("UPDATE public.customers SET zoho_billing_customer_id = '1' WHERE id = %s", [customer])
    host.execute("DELETE FROM public.customers WHERE id = %s", [customer])
    assert [entry[2] for entry in entries(host)] == ["inserted", "updated", "requested", "id_set", "deleted"]


def serve(host: Connection, customer: UUID, *, activated: str | None = "2026-01-01") -> UUID:
    """A service of the customer."""
    service = uuid4()
    host.execute(
        "INSERT INTO public.customer_services (id, customer_id, package_name, service_type, monthly_price, "
        "installation_address, activation_date) VALUES (%s, %s, 'Fibre', 'fibre', 799, '1 Example Street', %s)",
        [service, customer, activated],
    )
    return service


def test_address_of_a_service(host: Connection, customer: UUID) -> None:
    related = [("customer", customer, "related", "trigger")]
    serve(host, customer)
    assert of_customers(host) == related
    forget(host)
    host.execute("UPDATE public.customer_services SET installation_address = '2 Example Street'")
    assert of_customers(host) == related
    forget(host)
    host.execute("UPDATE public.customer_services SET monthly_price = 1, package_name = 'x'")
    assert of_customers(host) == []
    host.execute("DELETE FROM public.customer_services")
    assert of_customers(host) == related


def test_service_without_an_address_concerns_no_customer(host: Connection, customer: UUID) -> None:
    serve(host, customer, activated=None)
    assert of_customers(host) == []


def test_service_that_changes_hands_concerns_both(host: Connection, customer: UUID) -> None:
    serve(host, customer)
    (other,) = insert(host, "ben")
    forget(host)
    host.execute("UPDATE public.customer_services SET customer_id = %s", [other])
    assert {entry[1] for entry in of_customers(host)} == {customer, other}


def test_caller_needs_no_right_on_the_outbox(migrated_database: Database, host: Connection, customer: UUID) -> None:
    with psycopg.connect(migrated_database.superuser_dsn, autocommit=True) as application:
        application.execute("SET ROLE service_role")
        insert(application, "ben")
        application.execute("UPDATE public.customers SET phone = '2'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("SELECT FROM public.zoho_outbox")
    assert [entry[2] for entry in entries(host)] == ["inserted", "updated", "updated"]


def test_customer_who_may_change_himself_alone_is_captured(host: Connection, customer: UUID) -> None:
    auth_user = uuid4()
    insert(host, "ben")
    host.execute("UPDATE public.customers SET auth_user_id = %s WHERE id = %s", [auth_user, customer])
    forget(host)
    with host.transaction():
        host.execute("SET LOCAL ROLE authenticated")
        host.execute("SELECT set_config('request.jwt.claim.sub', %s, true)", [str(auth_user)])
        assert host.execute("UPDATE public.customers SET phone = '2'").rowcount == 1
    assert entries(host) == [("customer", customer, "updated", "trigger")]


def test_hostile_search_path_and_temporary_objects(migrated_database: Database, host: Connection) -> None:
    with psycopg.connect(migrated_database.superuser_dsn, autocommit=True) as application:
        application.execute(
            """
            CREATE TEMP TABLE zoho_outbox (LIKE public.zoho_outbox);
            CREATE TEMP TABLE captured (id uuid);
            CREATE TEMP TABLE bell (wanted boolean);
            CREATE TEMP TABLE text (never integer NOT NULL);
            CREATE FUNCTION pg_temp.capture_inserted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE FUNCTION pg_temp.pg_notify(a pg_catalog.text, b pg_catalog.text) RETURNS void LANGUAGE plpgsql
                AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
            CREATE FUNCTION pg_temp.to_jsonb(a anyelement) RETURNS jsonb LANGUAGE plpgsql
                AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
            CREATE FUNCTION pg_temp.equal(a pg_catalog.text, b pg_catalog.text) RETURNS boolean LANGUAGE plpgsql
                AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
            CREATE OPERATOR pg_temp.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = pg_temp.equal);
            """
        )
        application.execute("UPDATE zoho_outbox_private.bell SET wanted = true")
        application.execute("SET search_path = pg_temp, pg_catalog, public")
        application.execute(
            "INSERT INTO public.customers (first_name, last_name, email, phone) VALUES ('a', 'b', 'a@example.com', '1')"
        )
        application.execute("UPDATE public.customers SET phone = '2'")
        application.execute("UPDATE public.customers SET zoho_sync_status = 'pending'")
        application.execute("UPDATE public.customers SET zoho_billing_customer_id = '1'")
        application.execute("DELETE FROM public.customers")
        diverted = application.execute("SELECT count(*) FROM pg_temp.zoho_outbox").fetchone()
    assert diverted == (0,)
    assert [entry[2] for entry in entries(host)] == ["inserted", "updated", "requested", "id_set", "deleted"]


def test_write_fails_where_the_outbox_cannot_be_written(host: Connection) -> None:
    host.execute("ALTER TABLE public.zoho_outbox ADD CONSTRAINT full_disk CHECK (entity_type <> 'customer')")
    with pytest.raises(psycopg.errors.CheckViolation, match="full_disk"):
        insert(host, "anna")
    assert host.execute("SELECT count(*) FROM public.customers").fetchone() == (0,)


@pytest.mark.parametrize("wanted", [True, False])
def test_bell_rings_for_every_kind_of_change_where_somebody_listens_for_it(
    migrated_database: Database, host: Connection, wanted: bool
) -> None:
    host.execute("UPDATE zoho_outbox_private.bell SET wanted = %s", [wanted])
    with psycopg.connect(migrated_database.superuser_dsn, autocommit=True) as listener:
        listener.execute("LISTEN zoho_outbox")

        def rung() -> int:
            # A notification of our own comes last: no need to wait for one that never arrives.
            host.execute("SELECT pg_notify('zoho_outbox', 'end')")
            heard: list[str] = []
            while heard[-1:] != ["end"]:
                arrived = [notification.payload for notification in listener.notifies(timeout=30, stop_after=1)]
                assert arrived, "the listener heard nothing"
                heard += arrived
            assert set(heard[:-1]) <= {""}
            return len(heard) - 1

        expected = 1 if wanted else 0
        (customer, _, _) = insert(host, "anna", "ben", "cleo")
        assert rung() == expected
        for statement in (
            "UPDATE public.customers SET phone = '2'",
            "UPDATE public.customers SET zoho_sync_status = 'pending'",
            "UPDATE public.customers SET zoho_billing_customer_id = '1'",
        ):
            host.execute(statement.encode())
            assert rung() == expected, statement
        serve(host, customer)
        assert rung() == expected
        host.execute("DELETE FROM public.customer_services")
        assert rung() == expected
        host.execute("DELETE FROM public.customers")
        assert rung() == expected
        insert(host)
        host.execute("DELETE FROM public.customers")
        assert rung() == 0
        insert(host, "dan")
        assert rung() == expected
        host.execute("TRUNCATE public.customers CASCADE")
        assert rung() == expected
