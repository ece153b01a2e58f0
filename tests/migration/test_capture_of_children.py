"""Capture of services, invoices and payments, and of what unblocks them; on both shapes of the host."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.host.databases import Database
from tests.migration.test_capture import forget, insert

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def host(migrated_database: Database) -> Iterator[Connection]:
    """As the host's applications write, bypassing nothing."""
    with psycopg.connect(migrated_database.superuser_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def customer(host: Connection) -> UUID:
    """A customer whose entries are gone."""
    (customer_id,) = insert(host, "anna")
    forget(host)
    return customer_id


def captured(host: Connection, entity_type: str) -> list[tuple[UUID, str]]:
    """Entries of one type, in order, and forgets all."""
    rows = host.execute(
        "SELECT entity_id, change FROM public.zoho_outbox WHERE entity_type = %s ORDER BY id", [entity_type]
    ).fetchall()
    forget(host)
    return rows


def serve(host: Connection, customer: UUID, status: str = "active", package: UUID | None = None) -> UUID:
    service = uuid4()
    host.execute(
        "INSERT INTO public.customer_services (id, customer_id, package_id, package_name, service_type, monthly_price, "
        "status) VALUES (%s, %s, %s, 'Fibre', 'fibre', 799, %s)",
        [service, customer, package, status],
    )
    return service


def bill(host: Connection, customer: UUID, status: str = "draft") -> UUID:
    invoice = uuid4()
    host.execute(
        "INSERT INTO public.customer_invoices (id, customer_id, invoice_number, invoice_date, due_date, subtotal, "
        "tax_amount, total_amount, amount_due, status) "
        "VALUES (%s, %s, %s, '2026-01-01', '2026-01-08', 100, 15, 115, 115, %s)",
        [invoice, customer, f"INV-{invoice}", status],
    )
    return invoice


def pay(host: Connection, customer: UUID | None, status: str = "pending", invoice: UUID | None = None) -> UUID:
    payment = uuid4()
    host.execute(
        "INSERT INTO public.payment_transactions (id, transaction_id, reference, provider, amount, status, "
        "customer_id, invoice_id, created_at, updated_at) "
        "VALUES (%s, %s, 'r', 'netcash', 115, %s, %s, %s, now(), now())",
        [payment, str(payment), status, customer, invoice],
    )
    return payment


class TestServices:
    def test_an_insert_is_captured_whatever_its_status(self, host: Connection, customer: UUID) -> None:
        pending, active = serve(host, customer, "pending"), serve(host, customer)
        assert captured(host, "subscription") == [(pending, "inserted"), (active, "inserted")]

    def test_an_edit_of_a_pending_one_costs_nothing(self, host: Connection, customer: UUID) -> None:
        service = serve(host, customer, "pending")
        forget(host)
        host.execute("UPDATE public.customer_services SET monthly_price = 899")
        assert captured(host, "subscription") == []
        host.execute("UPDATE public.customer_services SET status = 'active'")
        assert captured(host, "subscription") == [(service, "updated")]

    @pytest.mark.parametrize("change", ["monthly_price = 899", "status = 'cancelled'", "package_id = NULL"])
    def test_what_zoho_must_know_is_captured(self, host: Connection, customer: UUID, change: str) -> None:
        service = serve(host, customer, package=package(host))
        forget(host)
        host.execute(f"UPDATE public.customer_services SET {change}".encode())
        assert captured(host, "subscription") == [(service, "updated")]

    def test_the_monthly_invoice_run_costs_nothing(self, host: Connection, customer: UUID) -> None:
        serve(host, customer)
        forget(host)
        host.execute("UPDATE public.customer_services SET last_invoice_date = '2026-01-01'")
        assert captured(host, "subscription") == []


class TestInvoices:
    def test_a_draft_that_is_edited_costs_nothing_until_it_is_issued(self, host: Connection, customer: UUID) -> None:
        invoice = bill(host, customer)
        assert captured(host, "invoice") == [(invoice, "inserted")]
        host.execute("UPDATE public.customer_invoices SET total_amount = 116")
        assert captured(host, "invoice") == []
        host.execute("UPDATE public.customer_invoices SET status = 'sent'")
        assert captured(host, "invoice") == [(invoice, "updated")]
        host.execute("UPDATE public.customer_invoices SET status = 'voided'")
        assert captured(host, "invoice") == [(invoice, "updated")]

    def test_a_payment_that_is_noted_on_it_costs_nothing(self, host: Connection, customer: UUID) -> None:
        bill(host, customer, "sent")
        forget(host)
        host.execute("UPDATE public.customer_invoices SET amount_paid = 50, amount_due = 65")
        assert captured(host, "invoice") == []


class TestPayments:
    def test_its_way_through_the_provider_costs_nothing(self, host: Connection, customer: UUID) -> None:
        payment = pay(host, customer)
        assert captured(host, "payment") == [(payment, "inserted")]
        host.execute("UPDATE public.payment_transactions SET status = 'processing'")
        assert captured(host, "payment") == []
        host.execute("UPDATE public.payment_transactions SET status = 'completed', completed_at = now()")
        assert captured(host, "payment") == [(payment, "updated")]
        host.execute("UPDATE public.payment_transactions SET status = 'refunded'")
        assert captured(host, "payment") == [(payment, "updated")]


def test_a_test_account_that_becomes_real_brings_all_that_hangs_on_it(host: Connection, customer: UUID) -> None:
    host.execute("UPDATE public.customers SET account_type = 'internal_test'")
    (stranger,) = insert(host, "ben")
    serve(host, stranger)
    service, invoice = serve(host, customer), bill(host, customer, "sent")
    direct, through_its_invoice = pay(host, customer, "completed"), pay(host, None, "completed", invoice)
    pay(host, stranger, "completed")
    forget(host)
    host.execute("UPDATE public.customers SET account_type = 'business' WHERE id = %s", [customer])
    rows = host.execute(
        "SELECT entity_type, entity_id FROM public.zoho_outbox WHERE change = 'related' AND entity_type <> 'customer'"
    ).fetchall()
    assert sorted(rows) == sorted(
        [("subscription", service), ("invoice", invoice), ("payment", direct), ("payment", through_its_invoice)]
    )
    forget(host)
    host.execute("UPDATE public.customers SET account_type = 'personal' WHERE id = %s", [customer])
    assert captured(host, "subscription") == []


def package(host: Connection, sku: str | None = None) -> UUID:
    package_id = uuid4()
    host.execute(
        "INSERT INTO public.service_packages (id, name, service_type, speed_down, speed_up, price, sku) "
        "VALUES (%s, 'Fibre', 'fibre', 50, 50, 799, %s)",
        [package_id, sku],
    )
    return package_id


class TestPublishing:
    @pytest.fixture
    def package_id(self, host: Connection) -> UUID:
        return package(host)

    @pytest.fixture
    def waiting(self, host: Connection, customer: UUID, package_id: UUID) -> UUID:
        """A service that waits for its package."""
        service = serve(host, customer, package=package_id)
        host.execute(
            "INSERT INTO zoho_outbox_private.entity_state "
            "(entity_id, entity_type, phase, waits_for_type, waits_for_id) "
            "VALUES (%s, 'subscription', 'waiting', 'package', %s)",
            [service, package_id],
        )
        forget(host)
        return service

    def publish(self, host: Connection, package_id: UUID, status: str = "ok") -> None:
        host.execute(
            "INSERT INTO public.product_integrations (service_package_id, sync_status) VALUES (%s, %s)",
            [package_id, status],
        )

    def test_wakes_who_waits_for_it(self, host: Connection, waiting: UUID, package_id: UUID) -> None:
        self.publish(host, package_id, "pending")
        assert captured(host, "subscription") == []
        host.execute("UPDATE public.product_integrations SET sync_status = 'ok'")
        assert captured(host, "subscription") == [(waiting, "related")]

    def test_at_once_wakes_too(self, host: Connection, waiting: UUID, package_id: UUID) -> None:
        self.publish(host, package_id)
        assert captured(host, "subscription") == [(waiting, "related")]

    def test_an_sku_wakes_too(self, host: Connection, waiting: UUID, package_id: UUID) -> None:
        host.execute("UPDATE public.service_packages SET sku = 'FIBRE-50' WHERE id = %s", [package_id])
        assert captured(host, "subscription") == [(waiting, "related")]

    def test_of_another_package_wakes_nobody(self, host: Connection, waiting: UUID) -> None:
        self.publish(host, package(host))
        assert captured(host, "subscription") == []
