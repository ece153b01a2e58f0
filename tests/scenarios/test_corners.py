"""Corners where money went wrong, or could have: each comes right, or somebody is told."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from tests.sending.billing import FAR, PLAN, Billing, ZohosClock, held, lines, only, record_of, until
from tests.sending.conftest import NewProcess, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

PRICE = Decimal("799.00")


def note(host: Host, row: UUID) -> str | None:
    """What its last entry says."""
    found: str | None = host.entries(row)[-1]["last_error"]
    return found


async def in_2099(zoho: RunningSimulator, process: Process, month: int, day: int) -> None:
    until(zoho, date(2099, month, day))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))


class TestTax:
    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            # A router with 15 %, and a book without.
            ({"subtotal": "1200.00", "tax_amount": "150.00", "vat_rate": "15.00"}, "its tax is 176.09 in Zoho (15 %"),
            # The column's default on a row without tax.
            ({"subtotal": "1350.00", "tax_amount": "0.00", "vat_rate": "15.00"}, "its tax is 176.09 in Zoho (15 %"),
            ({"subtotal": "1173.91", "tax_amount": "176.09", "vat_rate": "15.00"}, None),
            ({"subtotal": "1350.00", "tax_amount": "0.00", "vat_rate": "0.00"}, None),
        ],
        ids=["two rates", "a default", "one rate", "none"],
    )
    async def test_another_tax_than_the_rows_is_told_though_the_total_is_right(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        columns: dict[str, Any],
        told: str | None,
    ) -> None:
        both = lines(("Router", 1, "1150.00"), ("Book", 1, "200.00"))
        invoice = billing.invoice(customer, "1350.00", line_items=both, **columns)
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["total"] == Decimal("1350.00")
        assert billing.shown(invoice) == ("synced", None)
        said = note(host, invoice)
        assert (said is None) if told is None else (told in str(said) and columns["tax_amount"] in str(said))

    async def test_fourteen_lines_that_zoho_rounds_at_once_are_refused_with_both_figures_and_stay_a_draft(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        # Foretold by line, up to half a cent up on each: 14 times 0.06, where a Zoho that rounds once makes 0.78 of it.
        zoho.settings.invoices.tax_rounding = "total"
        parts = lines(*[(f"Part {number}", 1, "0.37") for number in range(14)])
        invoice = billing.invoice(customer, "6.02", line_items=parts, subtotal="5.18", tax_amount="0.84")
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["status"] == "draft"
        assert "is 5.96, here it is 6.02" in billing.error(invoice)


class TestServices:
    async def test_two_services_of_one_plan_and_price_are_two_subscriptions_and_each_payment_pays_its_own(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        services = [billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15)) for _ in range(2)]
        await process.turns_until_quiet()
        await in_2099(zoho, process, 1, 20)
        by_service = {record["reference_id"]: record["subscription_id"] for record in held(zoho, "subscriptions")}
        assert set(by_service) == set(map(str, services))
        invoice = billing.invoice(
            customer,
            "799.00",
            invoice_type="recurring",
            service_id=services[1],
            period_start=date(2099, 1, 15),
        )
        billing.payment(customer, invoice, "799.00")
        await process.turns_until_quiet()
        balances = {each["subscription_id"]: each["balance"] for each in held(zoho, "invoices")}
        assert balances == {by_service[str(services[0])]: PRICE, by_service[str(services[1])]: 0}

    async def test_what_the_package_costs_by_now_changes_nothing(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        billing.service(customer, fibre)
        await process.turns_until_quiet()
        before = only(zoho, "subscriptions")
        billing.change(fibre, price=Decimal("1999.00"))
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions") == before

    @pytest.mark.parametrize(
        ("on_suspend", "billed"),
        [("keep", ["2099-01-15", "2099-02-15", "2099-03-15"]), ("cancel", ["2099-01-15", "2099-03-15"])],
    )
    async def test_one_that_is_suspended_across_a_month_is_billed_as_it_was_decided(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        new_process: NewProcess,
        host: Host,
        fibre: UUID,
        on_suspend: str,
        billed: list[str],
    ) -> None:
        async with new_process(ZOHO_ON_SUSPEND=on_suspend) as process:
            service = billing.service(host.add_customer(), fibre, last_invoice_date=date(2098, 12, 15))
            await process.turns_until_quiet()
            await in_2099(zoho, process, 1, 20)
            billing.change(service, status="suspended")
            await process.turns_until_quiet()
            until(zoho, date(2099, 2, 20))
            billing.change(service, status="active")
            await process.turns_until_quiet()
            until(zoho, date(2099, 3, 20))
        assert [each["date"] for each in held(zoho, "invoices")] == billed

    async def test_another_billing_day_is_told_because_zoho_keeps_its_own(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre)
        await process.turns_until_quiet()
        before = only(zoho, "subscriptions")
        billing.change(service, billing_day=20)
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions") == before
        assert billing.shown(service) == ("synced", None)
        assert "Zoho bills on day 15 of the month (next on 2099-01-15), and billing_day is 20" in str(
            note(host, service)
        )

    async def test_a_later_activation_of_one_that_has_not_begun_is_told(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        days = {"last_invoice_date": None, "activation_date": date(2099, 1, 10)}
        service = billing.service(customer, fibre, **days)
        await process.turns_until_quiet()
        billing.change(service, activation_date=date(2099, 2, 20))
        await process.turns_until_quiet()
        assert "Zoho begins to bill on 2099-01-15, and by activation_date it is 2099-03-15" in str(note(host, service))


class TestAnotherModeOfBilling:
    """What exists when ZOHO_RECURRING_BILLING changes stays as it is; what changes of it later is seen."""

    def accept(self, host: Host, mode: str) -> None:
        host.interfere("UPDATE zoho_outbox_private.installation SET recurring_billing = %s", [mode])

    async def test_to_the_host_a_subscription_goes_on_until_its_service_is_cancelled(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, fibre: UUID
    ) -> None:
        customer = host.add_customer()
        async with new_process() as process:
            service = billing.service(customer, fibre)
            await process.turns_until_quiet()
        self.accept(host, "host")
        async with new_process(ZOHO_RECURRING_BILLING="host") as process:
            billing.change(service, monthly_price="849.00")
            await process.turns_until_quiet()
            assert only(zoho, "subscriptions")["amount"] == PRICE
            assert billing.shown(service)[0] == "skipped"
            billing.change(service, status="cancelled")
            await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "cancelled"

    async def test_to_the_host_a_payment_that_waited_goes_with_its_invoice(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
        customer = host.add_customer()
        async with new_process() as process:
            service = billing.service(customer, billing.package(publishing="pending"))
            invoice = billing.invoice(customer, "799.00", invoice_type="recurring", service_id=service, due_date=FAR)
            payment = billing.payment(customer, invoice, "799.00")
            await process.turns_until_quiet()
            assert held(zoho, "payments") == []
        self.accept(host, "host")
        async with new_process(ZOHO_RECURRING_BILLING="host") as process:
            # As a backfill does with what was skipped.
            billing.change(invoice, zoho_sync_status="pending")
            await process.turns_until_quiet()
        assert only(zoho, "invoices")["balance"] == 0
        assert billing.shown(payment) == ("synced", None)

    async def test_to_zoho_an_invoice_that_was_sent_is_paid_and_made_void_as_before(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, fibre: UUID
    ) -> None:
        customer = host.add_customer()
        async with new_process(ZOHO_RECURRING_BILLING="host") as process:
            service = billing.service(customer, fibre)
            invoices = [
                billing.invoice(customer, "799.00", invoice_type="recurring", service_id=service, due_date=FAR)
                for _ in range(2)
            ]
            await process.turns_until_quiet()
            assert held(zoho, "subscriptions") == []
        self.accept(host, "zoho")
        async with new_process() as process:
            billing.payment(customer, invoices[0], "799.00")
            billing.change(invoices[1], status="voided")
            billing.change(service, zoho_sync_status="pending")
            await process.turns_until_quiet()
        assert record_of(zoho, "invoices", invoices[0])["balance"] == 0
        assert record_of(zoho, "invoices", invoices[1])["status"] == "void"
        assert only(zoho, "subscriptions")["reference_id"] == str(service)
