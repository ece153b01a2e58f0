"""Invoices on their way: opened, changed, made void, lost and found, adopted or refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.sending.attempt import FIRST_LOOK_SECONDS
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.settings import Undocumented
from tests.sending.billing import (
    FAR,
    STANDARD_RATE,
    Billing,
    ZohosClock,
    external_id,
    forget_requests,
    held,
    lines,
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


def zoho_customer(zoho: RunningSimulator) -> str:
    """The id of the only customer."""
    found: str = only(zoho, "customers")["customer_id"]
    return found


async def opened(billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, **columns: Any) -> UUID:
    """An invoice that is open in Zoho."""
    invoice = billing.invoice(customer, **columns)
    await process.turns_until_quiet()
    assert billing.shown(invoice) == ("synced", None)
    forget_requests(zoho)
    return invoice


class TestOpened:
    async def test_it_costs_two_requests_and_the_taxes_once(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        first = billing.invoice(customer)
        await process.turns_until_quiet()
        assert routes(zoho) == ["GET /settings/taxes", "POST /invoices", "POST /invoices/*/converttoopen"]
        assert billing.shown(first) == ("synced", None)
        forget_requests(zoho)
        billing.invoice(customer)
        await process.turns_until_quiet()
        assert routes(zoho) == ["POST /invoices", "POST /invoices/*/converttoopen"]

    async def test_an_invoice_and_its_payment_cost_three_requests(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        billing.payment(customer, await opened(billing, zoho, process, customer))
        await process.turns_until_quiet()
        forget_requests(zoho)
        invoice = billing.invoice(customer)
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert routes(zoho) == ["POST /invoices", "POST /invoices/*/converttoopen", "POST /payments"]
        record = record_of(zoho, "invoices", invoice)
        assert (record["status"], record["balance"]) == ("paid", 0)
        assert billing.shown(payment) == ("synced", None)

    async def test_it_is_open_under_the_hosts_number_at_the_hosts_total_and_mailed_to_nobody(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        # A legacy id of an earlier integration says nothing.
        invoice = billing.invoice(
            customer, invoice_number=" CT-2026-0042 ", notes="Agreed by telephone", zoho_invoice_id="123"
        )
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert record["status"] in {"sent", "overdue"}
        assert (record["invoice_number"], external_id(record)) == ("CT-2026-0042", str(invoice))
        assert (record["date"], record["due_date"]) == ("2026-03-02", "2026-03-09")
        assert (record["total"], record["balance"], record["tax_total"]) == (TOTAL, TOTAL, Decimal("150.00"))
        assert [line["tax_id"] for line in record["invoice_items"]] == [STANDARD_RATE]
        assert record["customer_id"] == zoho_customer(zoho)
        assert record["notes"] == "Agreed by telephone"
        assert record["is_emailed"] is False
        assert billing.zoho_id(invoice) == record["invoice_id"]

    async def test_lines_without_tax_come_to_the_hosts_total(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        billing.invoice(customer, line_items=lines(("Router", 2, "400.00"), ("Cable", 1, "200.00")))
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert (record["total"], record["is_inclusive_tax"]) == (TOTAL, False)

    async def test_cents_that_do_not_divide_come_to_the_hosts_total(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        billing.invoice(
            customer,
            total="0.10",
            line_items=lines(("A", 1, "0.03"), ("B", 1, "0.03"), ("C", 1, "0.03")),
            subtotal=Decimal("0.09"),
            tax_amount=Decimal("0.01"),
        )
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert (record["total"], record["balance"]) == (Decimal("0.10"), Decimal("0.10"))

    @pytest.mark.parametrize("line_items", [None, "[]"])
    async def test_one_without_lines_has_one_over_its_total(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, line_items: str | None
    ) -> None:
        billing.invoice(customer, line_items=line_items)
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert [line["name"] for line in record["invoice_items"]] == ["Installation Fee"]
        assert record["total"] == TOTAL

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"total_amount": Decimal("-50.00"), "line_items": None}, "raise a credit note in Zoho"),
            ({"line_items": lines(("Installation", 1, "900.00"))}, "the lines add up to 900"),
            ({"vat_rate": Decimal("14.00"), "tax_amount": Decimal("140.00")}, "name one tax per rate in ZOHO_TAX_IDS"),
        ],
        ids=["a credit", "lines that do not add up", "a rate that Zoho does not have"],
    )
    async def test_what_cannot_be_mapped_is_dead_and_not_in_zoho(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        columns: dict[str, Any],
        said: str,
    ) -> None:
        invoice = billing.invoice(customer, **columns)
        await process.turns_until_quiet()
        assert billing.shown(invoice)[0] == "failed"
        assert said in billing.error(invoice)
        assert held(zoho, "invoices") == []

    async def test_a_total_that_zoho_makes_otherwise_is_told_with_both_figures_and_nobody_is_asked_to_pay_it(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.settings.invoices.honour_inclusive_tax = False
        invoice = billing.invoice(customer)
        await process.turns_until_quiet()
        status, error = billing.shown(invoice)
        assert status == "failed"
        assert "1322.50" in str(error)
        assert "1150.00" in str(error)
        assert only(zoho, "invoices")["status"] == "draft"
        billing.replay(invoice)
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["status"] == "draft"
        assert billing.zoho_id(invoice) == only(zoho, "invoices")["invoice_id"]
        # After the mend in Zoho the same invoice is opened.
        zoho.settings.invoices.honour_inclusive_tax = True
        billing.replay(invoice)
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["total"] == TOTAL
        assert only(zoho, "invoices")["status"] in {"sent", "overdue"}
        assert billing.shown(invoice) == ("synced", None)

    @pytest.mark.parametrize("invoice_type", ["recurring", None, "odd"])
    @pytest.mark.parametrize("who", ["zoho", "host"])
    async def test_what_zoho_raises_itself_is_sent_only_where_the_host_bills(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        new_process: NewProcess,
        who: str,
        invoice_type: str | None,
    ) -> None:
        invoice = billing.invoice(host.add_customer(), invoice_type=invoice_type)
        async with new_process(ZOHO_RECURRING_BILLING=who) as process:
            await process.turns_until_quiet()
        assert [record["total"] for record in held(zoho, "invoices")] == ([TOTAL] if who == "host" else [])
        assert billing.shown(invoice)[0] == ("synced" if who == "host" else "skipped")

    async def test_a_draft_is_sent_when_it_is_issued(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, status="draft")
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert billing.shown(invoice)[0] == "skipped"
        billing.change(invoice, status="sent")
        await process.turns_until_quiet()
        assert record_of(zoho, "invoices", invoice)["total"] == TOTAL


class TestChanged:
    async def test_a_payment_status_of_the_hosts_costs_no_request(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        billing.change(invoice, status="paid", amount_paid=TOTAL, amount_due=0)
        billing.change(invoice, notes="x")
        billing.change(invoice, notes=None)
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert host.statuses(invoice)[-1] == ("done", "unchanged")

    async def test_lines_and_dates_are_put_to_the_same_invoice_which_stays_open(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer, notes="To be taken back")
        billing.change(
            invoice,
            due_date=date(2099, 3, 16),
            notes=None,
            total_amount=Decimal("2300.00"),
            subtotal=Decimal("2000.00"),
            tax_amount=Decimal("300.00"),
            line_items=lines(("Installation", 2, "1150.00")),
        )
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert (record["total"], record["due_date"], record["status"]) == (Decimal("2300.00"), "2099-03-16", "sent")
        assert record["notes"] == ""
        assert billing.shown(invoice) == ("synced", None)

    async def test_money_of_a_paid_invoice_is_not_touched_and_both_figures_are_told(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        billing.payment(customer, invoice, "500.00")
        await process.turns_until_quiet()
        before = only(zoho, "invoices")
        billing.change(
            invoice,
            total_amount=Decimal("2300.00"),
            subtotal=Decimal("2000.00"),
            tax_amount=Decimal("300.00"),
            line_items=lines(("Installation", 2, "1150.00")),
        )
        await process.turns_until_quiet()
        status, error = billing.shown(invoice)
        assert status == "failed"
        assert "1150.00 in Zoho and 2300.00 here" in str(error)
        assert only(zoho, "invoices") == before

    async def test_the_due_date_of_a_paid_invoice_can_be_changed(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        billing.payment(customer, invoice, "500.00")
        await process.turns_until_quiet()
        billing.change(invoice, due_date=date(2099, 3, 16))
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert (record["due_date"], record["balance"]) == ("2099-03-16", Decimal("650.00"))
        assert billing.shown(invoice) == ("synced", None)

    @pytest.mark.parametrize("kind", LOST)
    async def test_a_change_whose_reply_was_lost_is_made(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, kind: FaultKind
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        zoho.faults.plant(kind, "PUT", "/invoices/*")
        billing.change(invoice, notes="Changed")
        await process.turns_until_quiet()
        await process.turn_later(invoice)
        assert only(zoho, "invoices")["notes"] == "Changed"
        assert billing.shown(invoice) == ("synced", None)


class TestVoid:
    @pytest.mark.parametrize("status", ["voided", "cancelled"])
    async def test_one_that_is_in_zoho_is_made_void(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, status: str
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        billing.change(invoice, status=status)
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["status"] == "void"
        assert billing.shown(invoice) == ("synced", None)

    async def test_one_that_never_was_in_zoho_is_not_created(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, status="voided")
        await process.turns_until_quiet()
        assert held(zoho, "invoices") == []
        assert billing.shown(invoice) == ("skipped", "voided before it was ever in Zoho")

    async def test_one_that_lives_again_is_opened_again(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        billing.change(invoice, status="voided")
        await process.turns_until_quiet()
        billing.change(invoice, status="sent", notes="It stands after all")
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert record["status"] in {"sent", "overdue"}
        assert record["notes"] == "It stands after all"
        assert billing.shown(invoice) == ("synced", None)

    @pytest.mark.parametrize("kind", LOST)
    async def test_a_void_whose_reply_was_lost_is_made(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, kind: FaultKind
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        zoho.faults.plant(kind, "POST", "*/void")
        billing.change(invoice, status="voided")
        await process.turns_until_quiet()
        await process.turn_later(invoice)
        assert only(zoho, "invoices")["status"] == "void"
        assert billing.shown(invoice) == ("synced", None)

    @pytest.mark.parametrize("kind", LOST)
    async def test_one_that_is_voided_while_its_create_is_in_doubt_is_void_or_was_never_there(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, kind: FaultKind
    ) -> None:
        zoho.faults.plant(kind, "POST", "/invoices")
        invoice = billing.invoice(customer)
        await process.turn()
        billing.change(invoice, status="voided")
        await process.turn_later(invoice, FIRST_LOOK_SECONDS + 1)
        await process.turn_later(invoice, RECHECK_SECONDS + 1)
        done = kind is FaultKind.DONE_THEN_LOST
        assert [record["status"] for record in held(zoho, "invoices")] == (["void"] if done else [])
        assert billing.shown(invoice)[0] == ("synced" if done else "skipped")


class TestLostCreate:
    @pytest.mark.parametrize("kind", LOST)
    async def test_there_is_one_open_invoice_in_the_end(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, kind: FaultKind
    ) -> None:
        zoho.faults.plant(kind, "POST", "/invoices")
        invoice = billing.invoice(customer)
        await process.turn()
        await process.turn_later(invoice, FIRST_LOOK_SECONDS + 1)
        if kind is FaultKind.LOST_THEN_NOT_DONE:
            assert held(zoho, "invoices") == []
            assert await process.turn() == []
            await process.turn_later(invoice, RECHECK_SECONDS + 1)
        record = only(zoho, "invoices")
        assert record["status"] in {"sent", "overdue"}
        assert record["total"] == TOTAL
        assert billing.zoho_id(invoice) == record["invoice_id"]
        assert billing.shown(invoice) == ("synced", None)
        assert zoho.statistics.count_of_creates("invoices") == 1

    @pytest.mark.parametrize("filter_", list(Undocumented))
    async def test_it_is_found_whatever_the_number_filter_does(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, filter_: Undocumented
    ) -> None:
        await opened(billing, zoho, process, customer)
        zoho.settings.undocumented.invoices_number = filter_
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/invoices")
        invoice = billing.invoice(customer)
        await process.turn()
        await process.turn_later(invoice, FIRST_LOOK_SECONDS + 1)
        assert billing.shown(invoice) == ("synced", None)
        assert zoho.statistics.count_of_creates("invoices") == 2

    async def test_it_is_found_although_it_was_renumbered_meanwhile(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/invoices")
        invoice = billing.invoice(customer)
        await process.turn()
        billing.change(invoice, invoice_number="CT-INV-RENUMBERED")
        await process.turn_later(invoice, FIRST_LOOK_SECONDS + 1)
        assert only(zoho, "invoices")["invoice_number"] == "CT-INV-RENUMBERED"
        assert billing.shown(invoice) == ("synced", None)

    @pytest.mark.parametrize("kind", LOST)
    async def test_an_opening_whose_reply_was_lost_is_made_and_nothing_is_created_again(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, kind: FaultKind
    ) -> None:
        zoho.faults.plant(kind, "POST", "*/converttoopen")
        invoice = billing.invoice(customer)
        await process.turn()
        assert billing.shown(invoice)[0] == "retrying"
        await process.turn_later(invoice)
        assert only(zoho, "invoices")["status"] in {"sent", "overdue"}
        assert billing.shown(invoice) == ("synced", None)
        assert zoho.statistics.count_of_creates("invoices") == 1

    async def test_a_payment_does_not_overtake_an_opening_that_was_lost(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.LOST_THEN_NOT_DONE, "POST", "*/converttoopen")
        invoice = billing.invoice(customer)
        payment = billing.payment(customer, invoice)
        for _ in range(4):
            await process.turn_later(payment)
        await process.turn_later(invoice)
        for _ in range(2):
            await process.turn_later(payment)
        assert (only(zoho, "invoices")["status"], only(zoho, "invoices")["balance"]) == ("paid", 0)
        assert billing.shown(payment) == ("synced", None)

    async def test_a_process_that_dies_before_it_settles_leaves_one_invoice(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer)
        await process.turn_and_die()
        await process.turn_later(invoice)
        assert billing.zoho_id(invoice) == only(zoho, "invoices")["invoice_id"]
        assert billing.shown(invoice) == ("synced", None)

    async def test_an_id_that_was_cleared_by_hand_comes_back(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        zoho_id = billing.zoho_id(invoice)
        billing.set_zoho_id(invoice, None)
        billing.change(invoice, notes="Changed")
        await process.turns_until_quiet()
        assert billing.zoho_id(invoice) == zoho_id
        assert only(zoho, "invoices")["notes"] == "Changed"

    async def test_one_that_was_deleted_in_zoho_is_created_again_when_its_id_is_cleared(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = await opened(billing, zoho, process, customer)
        zoho.simulator.remove("invoices", str(billing.zoho_id(invoice)))
        billing.change(invoice, notes="Changed")
        await process.turns_until_quiet()
        assert billing.shown(invoice)[0] == "failed"
        assert "Clear the id" in billing.error(invoice)
        billing.set_zoho_id(invoice, None)
        billing.replay(invoice)
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["invoice_id"] == billing.zoho_id(invoice)
        assert billing.shown(invoice) == ("synced", None)


class TestNumberExists:
    """Both for rows from before, which look first, and for new ones, which are told by Zoho's refusal."""

    @pytest.fixture(params=["looked for first", "refused by Zoho"])
    def arrive(self, request: pytest.FixtureRequest, billing: Billing) -> Callable[[UUID], None]:
        def arrive(invoice: UUID) -> None:
            if request.param == "looked for first":
                billing.from_before(invoice)
                billing.change(invoice, zoho_sync_status="pending")

        return arrive

    def planted(self, zoho: RunningSimulator, **fields: Any) -> str:
        """An invoice in Zoho under the number that our first one has."""
        return zoho.simulator.plant_invoice(
            **{
                "customer_id": zoho_customer(zoho),
                "invoice_number": "ct-inv-00001",
                "date": "2026-03-02",
                "due_date": "2026-03-09",
                "total": TOTAL,
                **fields,
            }
        )

    async def test_with_equal_customer_and_total_it_is_adopted(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, arrive: Callable[[UUID], None]
    ) -> None:
        zoho_id = self.planted(zoho)
        arrive(invoice := billing.invoice(customer))
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        assert (record["invoice_id"], record["total"], external_id(record)) == (zoho_id, TOTAL, str(invoice))
        assert billing.zoho_id(invoice) == zoho_id
        assert billing.shown(invoice) == ("synced", None)

    async def test_a_paid_one_is_adopted_as_it_stands(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, arrive: Callable[[UUID], None]
    ) -> None:
        zoho_id = self.planted(zoho, status="paid")
        arrive(invoice := billing.invoice(customer, status="paid"))
        before = only(zoho, "invoices")
        await process.turns_until_quiet()
        assert only(zoho, "invoices") == before
        assert billing.zoho_id(invoice) == zoho_id
        assert billing.shown(invoice) == ("synced", None)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"total": Decimal("1150.06")}, "the total 1150.06"),
            ({"custom_fields": [{"label": "External ID", "value": "another"}]}, "the External ID another"),
        ],
        ids=["another total", "another row's External ID"],
    )
    async def test_with_another_total_or_owner_it_is_refused_and_named(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        arrive: Callable[[UUID], None],
        fields: dict[str, Any],
        said: str,
    ) -> None:
        zoho_id = self.planted(zoho, **fields)
        arrive(invoice := billing.invoice(customer))
        before = only(zoho, "invoices")
        await process.turns_until_quiet()
        assert only(zoho, "invoices") == before
        assert billing.shown(invoice)[0] == "failed"
        assert zoho_id in billing.error(invoice)
        assert said in billing.error(invoice)

    async def test_another_customers_is_refused_and_named(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, arrive: Callable[[UUID], None]
    ) -> None:
        ours = zoho_customer(zoho)
        stranger = zoho.simulator.plant_customer(display_name="Somebody Else", email="else@example.com")
        zoho_id = zoho.simulator.plant_invoice(customer_id=stranger, invoice_number="CT-INV-00001", total=TOTAL)
        arrive(invoice := billing.invoice(customer))
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["customer_id"] == stranger
        assert billing.shown(invoice)[0] == "failed"
        assert all(named in billing.error(invoice) for named in (zoho_id, stranger, ours))

    async def test_one_that_a_subscription_raised_is_refused_and_named(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        arrive: Callable[[UUID], None],
    ) -> None:
        service = billing.service(customer, fibre, monthly_price=TOTAL)
        await process.turns_until_quiet()
        until(zoho, FAR.replace(day=20))
        raised = only(zoho, "invoices")
        assert raised["subscription_id"] == billing.zoho_id(service)
        arrive(invoice := billing.invoice(customer, invoice_number=raised["invoice_number"]))
        await process.turns_until_quiet()
        assert only(zoho, "invoices") == raised
        assert billing.shown(invoice)[0] == "failed"
        assert "was raised by Zoho subscription" in billing.error(invoice)

    @pytest.mark.parametrize("gone", ["ended and followed", "deleted here"])
    async def test_one_that_an_ended_subscription_raised_is_refused_although_nothing_here_knows_it(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        arrive: Callable[[UUID], None],
        gone: str,
    ) -> None:
        service = billing.service(customer, fibre, monthly_price=TOTAL)
        await process.turns_until_quiet()
        until(zoho, FAR.replace(day=20))
        process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
        raised = only(zoho, "invoices")
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        until(zoho, FAR.replace(month=2, day=20))
        if gone == "deleted here":
            host.execute("DELETE FROM public.customer_services WHERE id = %s", [service])
        else:
            billing.change(service, status="active")
        await process.turns_until_quiet()
        arrive(invoice := billing.invoice(customer, invoice_number=raised["invoice_number"]))
        await process.turns_until_quiet()
        assert billing.shown(invoice)[0] == "failed"
        assert f"was raised by Zoho subscription {raised['subscription_id']}" in billing.error(invoice)
        assert len(held(zoho, "invoices")) == 1

    async def test_a_renumbered_one_goes_by_itself_and_is_another_invoice(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, arrive: Callable[[UUID], None]
    ) -> None:
        self.planted(zoho, total=Decimal("99.00"))
        arrive(invoice := billing.invoice(customer))
        await process.turns_until_quiet()
        billing.change(invoice, invoice_number="CT-INV-00001a")
        await process.turns_until_quiet()
        assert sorted(record["invoice_number"] for record in held(zoho, "invoices")) == [
            "CT-INV-00001a",
            "ct-inv-00001",
        ]
        assert billing.shown(invoice) == ("synced", None)


async def test_two_ids_set_by_hand_in_turn_are_both_named(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
) -> None:
    invoice = await opened(billing, zoho, process, customer)
    ours = billing.zoho_id(invoice)
    twin = zoho.simulator.plant_invoice(customer_id=zoho_customer(zoho), invoice_number="CT-INV-00001", total=TOTAL)
    billing.set_zoho_id(invoice, twin)
    await process.turns_until_quiet()
    assert billing.shown(invoice)[0] == "failed"
    assert ours is not None
    assert ours in billing.error(invoice)
    assert twin in billing.error(invoice)
    # The one too many is taken out in Zoho, and the entry is replayed.
    zoho.simulator.remove("invoices", ours)
    billing.replay(invoice)
    await process.turns_until_quiet()
    assert billing.shown(invoice) == ("synced", None)
    assert external_id(only(zoho, "invoices")) == str(invoice)
    assert only(zoho, "invoices")["invoice_id"] == twin
