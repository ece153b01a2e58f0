"""Payments on their way: applied, changed, refunded, lost and found, adopted or refused."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from outbox.sending.attempt import FIRST_LOOK_SECONDS
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.books import Record
from tests.sending.billing import (
    Billing,
    ZohosClock,
    external_id,
    forget_requests,
    held,
    only,
    record_of,
    routes,
    until,
)
from tests.sending.conftest import RECHECK_SECONDS, NewProcess, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

TOTAL = Decimal("1150.00")
LOST = [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE]


@pytest.fixture
async def invoice(billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID) -> UUID:
    """An open invoice of R 1150 in Zoho; requests are counted from here on."""
    invoice = billing.invoice(customer)
    await process.turns_until_quiet()
    assert billing.shown(invoice) == ("synced", None)
    forget_requests(zoho)
    return invoice


def applied(record: Record) -> dict[str, Decimal]:
    """What a payment is applied to, by Zoho's invoice."""
    return {row["invoice_id"]: row["amount_applied"] for row in record["invoices"]}


def credit(zoho: RunningSimulator) -> Decimal:
    """Of the only customer."""
    found: Decimal = only(zoho, "customers")["unused_credits"]
    return found


async def paid(
    billing: Billing,
    zoho: RunningSimulator,
    process: Process,
    customer: UUID,
    invoice: UUID | None,
    amount: str = "1150.00",
    **columns: Any,
) -> UUID:
    """A payment that is in Zoho."""
    payment = billing.payment(customer, invoice, amount, **columns)
    await process.turns_until_quiet()
    assert billing.shown(payment)[0] == "synced", billing.shown(payment)
    forget_requests(zoho)
    return payment


async def let_lost_be_found(process: Process, *rows: UUID) -> None:
    """The two looks after a lost reply."""
    for seconds in (FIRST_LOOK_SECONDS + 1, RECHECK_SECONDS + 1):
        for row in rows:
            await process.turn_later(row, seconds)


class TestApplied:
    async def test_it_pays_its_invoice_with_one_request_and_the_plans_once(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert routes(zoho) == ["GET /plans", "POST /payments"]
        record = only(zoho, "payments")
        assert applied(record) == {billing.zoho_id(invoice): TOTAL}
        assert (only(zoho, "invoices")["status"], only(zoho, "invoices")["balance"]) == ("paid", 0)
        assert (record["reference_number"], external_id(record)) == (str(payment), str(payment))
        assert (record["amount"], record["payment_mode"]) == (TOTAL, "banktransfer")
        # Five past midnight in Johannesburg.
        assert record["date"] == "2026-03-05"
        assert record["customer_id"] == only(zoho, "customers")["customer_id"]
        assert billing.row(payment)["transaction_id"] in record["description"]
        assert billing.zoho_id(payment) == record["payment_id"]
        assert billing.shown(payment) == ("synced", None)

    async def test_the_older_column_of_the_invoice_and_the_invoices_customer_do_as_well(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        billing.payment(None, invoice_id=invoice)
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {billing.zoho_id(invoice): TOTAL}

    async def test_what_is_above_the_balance_is_credit(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        await paid(billing, zoho, process, customer, invoice, "1500.00")
        assert applied(only(zoho, "payments")) == {billing.zoho_id(invoice): TOTAL}
        assert credit(zoho) == Decimal("350.00")

    async def test_two_payments_of_one_invoice_do_not_take_more_than_its_total(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payments = [billing.payment(customer, invoice, "800.00") for _ in range(2)]
        await process.turns_until_quiet()
        for payment in payments:
            await process.turn_later(payment)
        assert [billing.shown(payment) for payment in payments] == [("synced", None)] * 2
        assert sum(sum(applied(record).values()) for record in held(zoho, "payments")) == TOTAL
        assert only(zoho, "invoices")["balance"] == 0
        assert credit(zoho) == Decimal("450.00")

    async def test_a_payment_alone_is_credit(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        await paid(billing, zoho, process, customer, None, "100.00")
        assert applied(only(zoho, "payments")) == {}
        assert credit(zoho) == Decimal("100.00")

    async def test_a_balance_that_was_paid_in_zoho_is_not_paid_twice(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        zoho.simulator.plant_payment(
            customer_id=only(zoho, "customers")["customer_id"],
            amount=Decimal("1000.00"),
            invoices=[{"invoice_id": billing.zoho_id(invoice), "amount_applied": Decimal("1000.00")}],
        )
        payment = await paid(billing, zoho, process, customer, invoice)
        record = record_of(zoho, "payments", payment)
        assert applied(record) == {billing.zoho_id(invoice): Decimal("150.00")}
        assert only(zoho, "invoices")["balance"] == 0
        assert "1000.00 of 1150.00 is credit" in host.entries(payment)[-1]["last_error"]
        assert zoho.statistics.count_of_creates("payments") == 1

    async def test_an_invoice_that_was_made_void_in_zoho_leaves_it_as_credit(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        zoho.simulator.edit("invoices", str(billing.zoho_id(invoice)), {"status": "void"})
        await paid(billing, zoho, process, customer, invoice)
        assert applied(only(zoho, "payments")) == {}
        assert credit(zoho) == TOTAL

    @pytest.mark.parametrize(
        ("columns", "status", "said"),
        [
            ({"provider": "zoho_billing"}, "skipped", "made at Zoho itself"),
            ({"metadata": '{"type": "payment_method_validation"}'}, "skipped", "card validation"),
            ({"transaction_id": "PM-VAL-0001"}, "skipped", "card validation"),
            ({"status": "failed"}, "skipped", "not completed"),
            ({"status": "refunded"}, "skipped", "refunded before it was sent"),
            ({"currency": "USD"}, "failed", "paid in USD"),
            ({"customer_id": None}, "failed", "names no customer"),
        ],
    )
    async def test_what_is_no_payment_to_zoho_is_not_sent(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        columns: dict[str, Any],
        status: str,
        said: str,
    ) -> None:
        payment = billing.payment(customer, **columns)
        await process.turns_until_quiet()
        assert held(zoho, "payments") == []
        assert billing.shown(payment)[0] == status
        assert said in billing.error(payment)

    async def test_one_that_becomes_completed_is_sent(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        payment = billing.payment(customer, status="processing")
        await process.turns_until_quiet()
        billing.change(payment, status="completed")
        await process.turns_until_quiet()
        assert only(zoho, "payments")["reference_number"] == str(payment)

    async def test_another_customers_invoice_is_dead_and_names_both(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        other = host.add_customer(2)
        payment = billing.payment(other, invoice)
        await process.turns_until_quiet()
        assert held(zoho, "payments") == []
        assert str(customer) in billing.error(payment)
        assert str(other) in billing.error(payment)


class TestChanged:
    async def test_an_edit_that_changes_nothing_costs_no_request(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, reference="x")
        billing.change(payment, reference="Order 2")
        billing.change(payment, provider_response='{"seen": true}')
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert host.statuses(payment)[-1] == ("done", "unchanged")

    async def test_a_text_is_put_and_the_allocation_stays(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice, "1500.00")
        billing.change(payment, reference="Another order")
        await process.turns_until_quiet()
        record = only(zoho, "payments")
        assert "Another order" in record["description"]
        assert applied(record) == {billing.zoho_id(invoice): TOTAL}
        assert credit(zoho) == Decimal("350.00")

    async def test_what_a_person_applied_elsewhere_in_zoho_stays(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice, "1500.00")
        other = zoho.simulator.plant_invoice(
            customer_id=only(zoho, "customers")["customer_id"], total=Decimal("300.00")
        )
        wanted = {str(billing.zoho_id(invoice)): TOTAL, other: Decimal("300.00")}
        zoho.simulator.edit(
            "payments",
            str(billing.zoho_id(payment)),
            {"invoices": [{"invoice_id": key, "amount_applied": value} for key, value in wanted.items()]},
        )
        billing.change(payment, reference="Another order")
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == wanted

    async def test_one_that_is_linked_to_another_invoice_pays_that_one(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        other = billing.invoice(customer, "500.00")
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, customer_invoice_id=other)
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {billing.zoho_id(other): Decimal("500.00")}
        assert record_of(zoho, "invoices", invoice)["balance"] == TOTAL
        assert record_of(zoho, "invoices", other)["balance"] == 0

    async def test_one_that_learns_of_its_invoice_later_pays_it(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, None)
        billing.change(payment, customer_invoice_id=invoice)
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {billing.zoho_id(invoice): TOTAL}
        assert credit(zoho) == 0

    async def test_a_smaller_amount_is_put(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, amount=Decimal("1000.00"))
        await process.turns_until_quiet()
        record = only(zoho, "payments")
        assert (record["amount"], applied(record)) == (
            Decimal("1000.00"),
            {billing.zoho_id(invoice): Decimal("1000.00")},
        )
        assert billing.shown(payment) == ("synced", None)

    async def test_one_that_is_taken_back_stays_and_says_so(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, status="failed")
        await process.turns_until_quiet()
        assert only(zoho, "payments")["amount"] == TOTAL
        assert routes(zoho) == []

    @pytest.mark.parametrize("kind", LOST)
    async def test_a_change_whose_reply_was_lost_is_made(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        invoice: UUID,
        kind: FaultKind,
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        zoho.faults.plant(kind, "PUT", "/payments/*")
        billing.change(payment, amount=Decimal("1000.00"))
        await process.turns_until_quiet()
        await process.turn_later(payment)
        assert only(zoho, "payments")["amount"] == Decimal("1000.00")
        assert only(zoho, "invoices")["balance"] == Decimal("150.00")
        assert billing.shown(payment) == ("synced", None)


class TestRefunded:
    async def test_it_is_refunded_whole_and_never_deleted(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        assert only(zoho, "refunds")["amount"] == TOTAL
        assert only(zoho, "payments")["amount_refunded"] == TOTAL
        assert billing.shown(payment) == ("synced", None)

    async def test_what_was_refunded_in_zoho_already_is_not_refunded_again(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        zoho.simulator.plant_refund(payment_id=billing.zoho_id(payment), amount=Decimal("1000.00"))
        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        assert [refund["amount"] for refund in held(zoho, "refunds")] == [Decimal("1000.00"), Decimal("150.00")]

    async def test_one_that_zoho_took_and_does_not_show_is_made_once_whatever_follows(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        invoice: UUID,
        host: Host,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        payments = zoho.simulator.books.payments
        put = payments.put
        monkeypatch.setattr(payments, "put", lambda record, *more: put({**record, "amount_refunded": 0}, *more))

        def newest() -> int:
            number: int = host.entries(payment)[-1]["id"]
            return number

        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        status, error = billing.shown(payment)
        assert status == "failed"
        assert error is not None
        assert "it is not refunded again" in error
        assert host.state(payment)["fate_unknown_at"] is None

        host.replay(newest())
        await process.turns_until_quiet()
        assert billing.shown(payment)[0] == "failed"
        with host.operator() as operator:
            operator.execute("SELECT public.zoho_outbox_skip(%s, 'seen in Zoho')", [newest()])
        billing.change(payment, reference="Another order")
        await process.turns_until_quiet()
        for _ in range(3):
            await process.turn_later(payment, 1000)
        assert len(held(zoho, "refunds")) == 1

    async def test_a_refund_is_not_made_again_by_a_replay_or_an_edit(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        billing.change(payment, reference="Another order")
        await process.turns_until_quiet()
        billing.change(payment, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert len(held(zoho, "refunds")) == 1
        assert billing.shown(payment) == ("synced", None)

    @pytest.mark.parametrize("kind", LOST)
    async def test_a_refund_whose_reply_was_lost_is_made_once(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        invoice: UUID,
        kind: FaultKind,
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        zoho.faults.plant(kind, "POST", "*/refunds")
        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        assert len(held(zoho, "refunds")) == (kind is FaultKind.DONE_THEN_LOST)
        await process.turn_later(payment, FIRST_LOOK_SECONDS + 1)
        # One look does not prove that it will not happen still.
        assert len(held(zoho, "refunds")) == (kind is FaultKind.DONE_THEN_LOST)
        await process.turn_later(payment, RECHECK_SECONDS + 1)
        assert only(zoho, "refunds")["amount"] == TOTAL
        assert billing.shown(payment) == ("synced", None)

    async def test_a_refund_that_happens_late_is_found_by_the_second_look(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        async with new_process(ZOHO_REQUEST_TIMEOUT_SECONDS="0.5") as process:
            payment = await paid(billing, zoho, process, host.add_customer(), None)
            fault = zoho.faults.plant(FaultKind.HELD_BEFORE, "POST", "*/refunds")
            billing.change(payment, status="refunded")
            await process.turns_until_quiet()
            await process.turn_later(payment, FIRST_LOOK_SECONDS + 1)
            fault.release()
            await zoho.until(lambda statistics: statistics.count_of_creates("refunds") == 1)
            await process.turn_later(payment, RECHECK_SECONDS + 1)
        assert len(held(zoho, "refunds")) == 1
        # Nor was another asked for, which Zoho would have had to refuse.
        assert routes(zoho).count("POST /payments/*/refunds") == 1
        assert billing.shown(payment) == ("synced", None)

    async def test_a_process_that_dies_after_the_refund_leaves_one(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, status="refunded")
        await process.turn_and_die()
        assert len(held(zoho, "refunds")) == 1
        await let_lost_be_found(process, payment)
        assert len(held(zoho, "refunds")) == 1
        assert billing.shown(payment) == ("synced", None)

    async def test_one_that_is_refunded_while_its_create_is_in_doubt_is_refunded_once(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/payments")
        payment = billing.payment(customer, invoice)
        await process.turn()
        billing.change(payment, status="refunded")
        await let_lost_be_found(process, payment)
        assert only(zoho, "payments")["amount_refunded"] == TOTAL
        assert len(held(zoho, "refunds")) == 1
        assert billing.shown(payment) == ("synced", None)

    async def test_where_zoho_refuses_refunds_a_person_is_told_how(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        zoho.settings.payments.refund_only_automatic = True
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        assert billing.shown(payment)[0] == "failed"
        assert "Record the refund in Zoho by hand" in billing.error(payment)
        zoho.simulator.plant_refund(payment_id=billing.zoho_id(payment), amount=TOTAL)
        billing.change(payment, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert billing.shown(payment) == ("synced", None)
        assert len(held(zoho, "refunds")) == 1

    async def test_a_refund_cannot_be_taken_back(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        billing.change(payment, status="refunded")
        await process.turns_until_quiet()
        billing.change(payment, status="completed")
        await process.turns_until_quiet()
        assert "a refund cannot be taken back" in billing.error(payment)
        assert zoho.statistics.count_of_creates("payments") == 1


class TestLostCreate:
    @pytest.mark.parametrize("kind", LOST)
    @pytest.mark.parametrize("linked", [True, False], ids=["on an invoice", "alone"])
    async def test_there_is_one_payment_in_the_end(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        invoice: UUID,
        kind: FaultKind,
        linked: bool,
    ) -> None:
        zoho.faults.plant(kind, "POST", "/payments")
        payment = billing.payment(customer, invoice if linked else None)
        await process.turn()
        await process.turn_later(payment, FIRST_LOOK_SECONDS + 1)
        if kind is FaultKind.LOST_THEN_NOT_DONE:
            assert held(zoho, "payments") == []
            assert await process.turn() == []
            await process.turn_later(payment, RECHECK_SECONDS + 1)
        record = only(zoho, "payments")
        assert applied(record) == ({billing.zoho_id(invoice): TOTAL} if linked else {})
        assert billing.zoho_id(payment) == record["payment_id"]
        assert billing.shown(payment) == ("synced", None)
        assert zoho.statistics.count_of_creates("payments") == 1

    @pytest.mark.parametrize("kind", LOST)
    async def test_of_two_equal_payments_of_a_day_each_has_its_own_record(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, kind: FaultKind
    ) -> None:
        zoho.faults.plant(kind, "POST", "/payments", times=2)
        twins = [billing.payment(customer, None, "100.00") for _ in range(2)]
        await process.turn()
        await let_lost_be_found(process, *twins)
        await let_lost_be_found(process, *twins)
        records = {record["reference_number"]: record["payment_id"] for record in held(zoho, "payments")}
        assert records == {str(twin): billing.zoho_id(twin) for twin in twins}
        assert zoho.statistics.count_of_creates("payments") == 2

    async def test_it_is_found_although_date_and_amount_were_corrected_meanwhile(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/payments")
        payment = billing.payment(customer, None, "100.00")
        await process.turn()
        billing.change(payment, amount=Decimal("110.00"), completed_at="2026-03-10T12:00:00+02:00")
        await let_lost_be_found(process, payment)
        record = only(zoho, "payments")
        assert (record["amount"], record["date"]) == (Decimal("110.00"), "2026-03-10")
        assert billing.shown(payment) == ("synced", None)

    async def test_a_process_that_dies_before_it_settles_leaves_one_payment(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = billing.payment(customer, invoice)
        await process.turn_and_die()
        await let_lost_be_found(process, payment)
        assert billing.zoho_id(payment) == only(zoho, "payments")["payment_id"]
        assert only(zoho, "invoices")["balance"] == 0

    async def test_an_id_that_was_cleared_by_hand_comes_back(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
    ) -> None:
        payment = await paid(billing, zoho, process, customer, invoice)
        zoho_id = billing.zoho_id(payment)
        billing.set_zoho_id(payment, None)
        billing.change(payment, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert billing.zoho_id(payment) == zoho_id == only(zoho, "payments")["payment_id"]


class TestAdopted:
    async def test_one_that_a_person_entered_under_the_providers_number_is_adopted_by_its_id(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        payment = billing.payment(customer, None, "100.00")
        billing.from_before(payment)
        zoho_id = zoho.simulator.plant_payment(
            customer_id=only(zoho, "customers")["customer_id"],
            amount=Decimal("100.00"),
            reference_number=billing.row(payment)["transaction_id"],
        )
        billing.set_zoho_id(payment, zoho_id)
        await process.turns_until_quiet()
        record = only(zoho, "payments")
        assert (record["payment_id"], record["reference_number"]) == (zoho_id, str(payment))
        assert billing.shown(payment) == ("synced", None)

    async def test_another_payments_id_is_refused_and_its_record_untouched(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        other = await paid(billing, zoho, process, customer, None, "100.00")
        before = only(zoho, "payments")
        payment = billing.payment(customer, None, "100.00")
        billing.set_zoho_id(payment, billing.zoho_id(other))
        await process.turns_until_quiet()
        assert billing.shown(payment)[0] == "failed"
        assert str(other) in billing.error(payment)
        assert only(zoho, "payments") == before

    async def test_one_from_before_that_is_in_zoho_is_adopted_and_a_similar_one_is_not(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        payment, similar = (billing.payment(customer, None, "100.00") for _ in range(2))
        billing.from_before(payment, similar)
        zoho_id = zoho.simulator.plant_payment(
            customer_id=only(zoho, "customers")["customer_id"],
            amount=Decimal("100.00"),
            date="2026-03-05",
            reference_number=str(payment),
        )
        for row in (payment, similar):
            billing.change(row, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert billing.zoho_id(payment) == zoho_id
        assert billing.zoho_id(similar) == record_of(zoho, "payments", similar)["payment_id"] != zoho_id
        assert zoho.statistics.count_of_creates("payments") == 1


class TestOnARecurringInvoice:
    """While Zoho bills: the host's invoice is not sent, Zoho's own is what is paid."""

    @pytest.fixture
    async def service(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> UUID:
        """A service whose subscription raised invoices of 15 January and 15 February 2099."""
        service = billing.service(customer, fibre)
        await process.turns_until_quiet()
        until(zoho, date(2099, 2, 20))
        assert [raised["date"] for raised in held(zoho, "invoices")] == ["2099-01-15", "2099-02-15"]
        return service

    def recurring(self, billing: Billing, customer: UUID, service: UUID, **columns: Any) -> UUID:
        """The host's invoice for the month from 1 February 2099 on."""
        return billing.invoice(
            customer,
            **{
                "total": "799.00",
                "invoice_type": "recurring",
                "service_id": service,
                "period_start": date(2099, 2, 1),
                **columns,
            },
        )

    async def test_it_pays_the_invoice_of_the_period(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, service: UUID
    ) -> None:
        payment = billing.payment(customer, self.recurring(billing, customer, service), "799.00")
        await process.turns_until_quiet()
        assert billing.shown(payment) == ("synced", None)
        assert [raised["balance"] for raised in held(zoho, "invoices")] == [0, Decimal("799.00")]

    async def test_it_pays_late_what_an_earlier_subscription_of_the_service_raised(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, service: UUID
    ) -> None:
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        until(zoho, date(2099, 3, 16))
        process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert [each["status"] for each in held(zoho, "subscriptions")] == ["cancelled", "future"]
        payment = billing.payment(customer, self.recurring(billing, customer, service), "799.00")
        await process.turns_until_quiet()
        assert billing.shown(payment) == ("synced", None)
        assert [raised["balance"] for raised in held(zoho, "invoices")] == [0, Decimal("799.00")]
        assert credit(zoho) == 0

    @pytest.mark.parametrize(
        "columns", [{"total": "800.00"}, {"period_start": date(2098, 12, 1)}], ids=["another total", "another period"]
    )
    async def test_what_matches_none_is_credit_and_says_so(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        service: UUID,
        columns: dict[str, Any],
    ) -> None:
        payment = billing.payment(customer, self.recurring(billing, customer, service, **columns), "799.00")
        await process.turns_until_quiet()
        assert billing.shown(payment)[0] == "synced"
        assert applied(only(zoho, "payments")) == {}
        assert credit(zoho) == Decimal("799.00")
        assert "Zoho raised none of" in host.entries(payment)[-1]["last_error"]

    async def test_unapplied_applies_nothing(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        new_process: NewProcess,
        customer: UUID,
        service: UUID,
    ) -> None:
        async with new_process(ZOHO_RECURRING_PAYMENTS="unapplied") as process:
            billing.payment(customer, self.recurring(billing, customer, service), "799.00")
            await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {}

    async def test_wait_waits_and_says_why(
        self, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID, service: UUID
    ) -> None:
        async with new_process(ZOHO_RECURRING_PAYMENTS="wait") as process:
            payment = billing.payment(customer, self.recurring(billing, customer, service), "799.00")
            await process.turns_until_quiet()
        assert held(zoho, "payments") == []
        assert "ZOHO_RECURRING_PAYMENTS=wait" in billing.error(payment)

    @pytest.mark.parametrize("kind", LOST)
    async def test_one_whose_create_was_lost_pays_it_once(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        service: UUID,
        kind: FaultKind,
    ) -> None:
        zoho.faults.plant(kind, "POST", "/payments")
        payment = billing.payment(customer, self.recurring(billing, customer, service), "799.00")
        await process.turns_until_quiet()
        await let_lost_be_found(process, payment)
        assert len(held(zoho, "payments")) == 1
        assert [raised["balance"] for raised in held(zoho, "invoices")] == [0, Decimal("799.00")]

    async def test_without_a_service_it_is_credit(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, "799.00", invoice_type="recurring", service_id=uuid4())
        billing.payment(customer, invoice, "799.00")
        await process.turns_until_quiet()
        assert applied(only(zoho, "payments")) == {}
