"""Payments whose invoice is paid, refunded, paid again, made void, moved or deleted meanwhile."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.books import Record
from outbox.vocabulary import EntityType
from tests.sending.billing import FAR, PLAN, Billing, held, only, record_of
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

TOTAL = Decimal("1150.00")


@pytest.fixture
async def invoice(billing: Billing, process: Process, customer: UUID) -> UUID:
    """An open invoice of R 1150 that is not due for long."""
    invoice = billing.invoice(customer, due_date=FAR)
    await process.turns_until_quiet()
    return invoice


def applied(record: Record) -> dict[str, Decimal]:
    return {row["invoice_id"]: row["amount_applied"] for row in record["invoices"]}


def credit(zoho: RunningSimulator) -> Decimal:
    found: Decimal = only(zoho, "customers")["unused_credits"]
    return found


def note(host: Host, row: UUID) -> str:
    """What its last entry says."""
    return str(host.entries(row)[-1]["last_error"])


class TestPaidRefundedPaidAgain:
    async def test_what_zoho_leaves_paid_is_credit_and_says_what_to_do(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        first = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        billing.change(first, status="refunded")
        await process.turns_until_quiet()
        again = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert applied(record_of(zoho, "payments", again)) == {}
        assert credit(zoho) == TOTAL
        assert billing.shown(again) == ("synced", None)
        assert note(host, again) == (
            "1150.00 of 1150.00 is credit: invoice CT-INV-00001 stays paid in Zoho after the refund of an earlier "
            "payment; raise a new invoice for it in Zoho and apply the credit there"
        )

    async def test_what_zoho_opens_again_is_paid_up_to_its_balance(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        first = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        billing.change(first, status="refunded")
        await process.turns_until_quiet()
        # A Zoho that takes a refunded payment off its invoice; or a person who did.
        zoho.simulator.edit("payments", str(billing.zoho_id(first)), {"invoices": []})
        again = billing.payment(customer, invoice, "1200.00")
        await process.turns_until_quiet()
        assert applied(record_of(zoho, "payments", again)) == {billing.zoho_id(invoice): TOTAL}
        assert only(zoho, "invoices")["balance"] == 0
        assert billing.shown(again) == ("synced", None)

    async def test_one_that_was_refunded_before_it_was_ever_sent_takes_nothing(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        billing.payment(customer, invoice, status="refunded")
        await process.turns_until_quiet()
        again = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert applied(record_of(zoho, "payments", again)) == {billing.zoho_id(invoice): TOTAL}
        assert credit(zoho) == 0


class TestWaitingForASubscription:
    """While Zoho bills, a payment on the host's recurring invoice waits for the subscription that raises its own."""

    @pytest.fixture
    def service(self, billing: Billing, zoho: RunningSimulator, customer: UUID) -> UUID:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
        return billing.service(customer, billing.package(publishing="pending"))

    def recurring(self, billing: Billing, customer: UUID, service: UUID) -> UUID:
        return billing.invoice(
            customer, "799.00", invoice_type="recurring", service_id=service, period_start=date(2026, 3, 1)
        )

    @pytest.mark.parametrize("status", ["voided", "cancelled"])
    async def test_it_goes_when_the_host_cancels_its_own_invoice(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        service: UUID,
        status: str,
    ) -> None:
        invoice = self.recurring(billing, customer, service)
        payment, other = billing.payment(customer, invoice, "799.00"), self.recurring(billing, customer, service)
        waits = billing.payment(customer, other, "799.00")
        older = billing.payment(customer, None, "1.00", invoice_id=invoice)
        await process.turns_until_quiet()
        assert "the subscription of service Fibre 50/50" in billing.error(payment)
        billing.change(invoice, status=status)
        await process.turns_until_quiet()
        assert {record["reference_number"] for record in held(zoho, "payments")} == {str(payment), str(older)}
        assert [record["invoices"] for record in held(zoho, "payments")] == [[], []]
        assert billing.shown(payment) == ("synced", None)
        assert f"not applied: invoice CT-INV-00001 is {status}" in note(host, payment)
        assert host.entries(waits)[-1]["status"] == "waiting"

    async def test_it_goes_although_it_was_being_looked_at_when_the_invoice_was_cancelled(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, service: UUID
    ) -> None:
        invoice = self.recurring(billing, customer, service)
        await process.turns_until_quiet()
        payment = billing.payment(customer, invoice, "799.00")
        # It was read before the invoice was cancelled, and settles after that was seen.
        looked = await process.attempted()
        billing.change(invoice, status="voided")
        await process.turn()
        await process.settled(looked)
        await process.turns_until_quiet()
        assert only(zoho, "payments")["reference_number"] == str(payment)
        assert billing.shown(payment) == ("synced", None)

    async def test_it_pays_the_invoice_that_turns_out_to_be_none_of_a_subscription(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, service: UUID
    ) -> None:
        invoice = self.recurring(billing, customer, service)
        payment = billing.payment(customer, invoice, "799.00")
        await process.turns_until_quiet()
        billing.change(invoice, invoice_type="adjustment")
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {billing.zoho_id(invoice): Decimal("799.00")}
        assert billing.shown(payment) == ("synced", None)


class TestInvoicesThatChangeUnderThem:
    async def test_a_part_payment_of_one_that_is_made_void_is_credit_and_moves_to_the_next_invoice(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = billing.payment(customer, invoice, "500.00")
        await process.turns_until_quiet()
        billing.change(invoice, status="voided")
        await process.turns_until_quiet()
        assert (only(zoho, "invoices")["status"], credit(zoho)) == ("void", Decimal("500.00"))
        second = billing.invoice(customer, "800.00", due_date=FAR)
        billing.change(payment, customer_invoice_id=second)
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {billing.zoho_id(second): Decimal("500.00")}
        assert (record_of(zoho, "invoices", second)["balance"], credit(zoho)) == (Decimal("300.00"), Decimal(0))

    async def test_one_that_is_void_and_issued_again_says_how_its_payments_come_back(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        billing.change(invoice, status="voided")
        await process.turns_until_quiet()
        billing.change(invoice, status="paid")
        await process.turns_until_quiet()
        assert (only(zoho, "invoices")["balance"], credit(zoho)) == (TOTAL, TOTAL)
        assert "set zoho_sync_status of its payments to pending" in note(host, invoice)
        billing.change(payment, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert (only(zoho, "invoices")["status"], credit(zoho)) == ("paid", Decimal(0))

    async def test_one_that_comes_before_another_has_moved_away_is_credit_and_names_what_is_in_its_place(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        other = billing.invoice(customer, due_date=FAR)
        moved = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        # In one moment: it was for another invoice, and the one that was meant comes in.
        billing.change(moved, customer_invoice_id=other)
        taking = billing.payment(customer, invoice)
        await process.attempt_one(EntityType.PAYMENT, taking)
        assert "1150.00 of 1150.00 is credit" in note(host, taking)
        assert f"where {moved} paid it" in note(host, taking)
        await process.turns_until_quiet()
        billing.change(taking, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert [record_of(zoho, "invoices", row)["balance"] for row in (invoice, other)] == [0, 0]
        assert credit(zoho) == 0

    async def test_one_payment_over_two_invoices_is_one_invoice_and_credit(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        second = billing.invoice(customer, "350.00", due_date=FAR)
        billing.payment(customer, invoice, "1500.00")
        await process.turns_until_quiet()
        assert record_of(zoho, "invoices", second)["balance"] == Decimal("350.00")
        assert credit(zoho) == Decimal("350.00")

    @pytest.mark.parametrize(
        "columns", [{"total": "1150.00"}, {"total": "999.00"}], ids=["same total", "another total"]
    )
    async def test_one_that_is_deleted_and_raised_again_under_its_number_is_refused_and_named(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        invoice: UUID,
        columns: dict[str, Any],
    ) -> None:
        host.execute("DELETE FROM public.customer_invoices WHERE id = %s", [invoice])
        again = billing.invoice(customer, invoice_number="CT-INV-00001", due_date=FAR, **columns)
        payment = billing.payment(customer, again, columns["total"])
        await process.turns_until_quiet()
        assert len(held(zoho, "invoices")) == 1
        assert held(zoho, "payments") == []
        assert str(invoice) in billing.error(again)
        assert "renumber one of the two" in billing.error(again)
        assert "which failed" in billing.error(payment)
