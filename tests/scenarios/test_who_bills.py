"""Who raises recurring invoices: Zoho or the host, never both, never nobody."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from outbox.store.installation import WrongDatabase
from tests.host.shapes import HostShape
from tests.sending.billing import Billing, ZohosClock, held, only, until
from tests.sending.conftest import NewProcess, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

PRICE = Decimal("799.00")


def recurring(billing: Billing, customer: UUID, service: UUID, month: int) -> UUID:
    """The host's invoice for a month of 2099, from the 15th on."""
    day = date(2099, month, 15)
    return billing.invoice(
        customer,
        "799.00",
        invoice_type="recurring",
        service_id=service,
        invoice_date=day,
        due_date=day.replace(day=22),
        period_start=day,
    )


def billed(zoho: RunningSimulator) -> list[tuple[str, Decimal]]:
    return sorted((invoice["date"], invoice["total"]) for invoice in held(zoho, "invoices"))


async def test_while_zoho_bills_each_month_is_billed_once_and_by_zoho_from_the_first_that_the_host_has_not(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    service = billing.service(customer, fibre, last_invoice_date=date(2099, 1, 15))
    by_host = recurring(billing, customer, service, 1)
    await process.turns_until_quiet()
    until(zoho, date(2099, 4, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    # The host's own run goes on for another month: its invoice stays here, and nothing of it is billed again.
    by_habit = recurring(billing, customer, service, 2)
    billing.change(service, last_invoice_date=date(2099, 2, 15))
    await process.turns_until_quiet()
    assert billed(zoho) == [("2099-02-15", PRICE), ("2099-03-15", PRICE), ("2099-04-15", PRICE)]
    for invoice in (by_host, by_habit):
        assert billing.shown(invoice) == (
            "skipped",
            "recurring invoice: Zoho raises recurring invoices itself (ZOHO_RECURRING_BILLING=zoho)",
        )


async def test_while_the_host_bills_each_month_is_billed_once_and_by_the_host(
    host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, fibre: UUID
) -> None:
    customer = host.add_customer()
    service = billing.service(customer, fibre, last_invoice_date=date(2099, 3, 15))
    for month in (1, 2, 3):
        recurring(billing, customer, service, month)
    async with new_process(ZOHO_RECURRING_BILLING="host") as process:
        await process.turns_until_quiet()
    until(zoho, date(2099, 4, 20))
    assert billed(zoho) == [("2099-01-15", PRICE), ("2099-02-15", PRICE), ("2099-03-15", PRICE)]
    assert held(zoho, "subscriptions") == []
    assert billing.shown(service)[0] == "skipped"


async def test_another_mode_than_that_of_the_first_run_sends_nothing(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, new_process: NewProcess
) -> None:
    billing.invoice(host.add_customer(), invoice_type="recurring")
    with pytest.raises(WrongDatabase, match="doctor --accept-billing-mode"):
        async with new_process(ZOHO_RECURRING_BILLING="host"):
            pass
    assert held(zoho, "invoices") == held(zoho, "customers") == []


@pytest.mark.parametrize("migrated_database", [HostShape(columns="november_2025")], indirect=True)
@pytest.mark.parametrize("who", ["zoho", "host"])
async def test_an_invoice_of_a_host_without_invoice_type_is_sent_only_where_the_host_bills(
    host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, who: str
) -> None:
    invoice = billing.add(
        "customer_invoices",
        customer_id=host.add_customer(),
        invoice_number="CT-1",
        invoice_date=date(2026, 3, 2),
        due_date=date(2026, 3, 9),
        subtotal=Decimal("694.78"),
        tax_amount=Decimal("104.22"),
        total_amount=PRICE,
        amount_due=PRICE,
        status="sent",
    )
    async with new_process(ZOHO_RECURRING_BILLING=who) as process:
        await process.turns_until_quiet()
    assert billed(zoho) == ([("2026-03-02", PRICE)] if who == "host" else [])
    status, said = billing.shown(invoice)
    assert (status, said is None) == (("synced", True) if who == "host" else ("skipped", False))
    if said is not None:
        assert said.startswith("it has no invoice_type, so it counts as recurring")


async def test_in_a_whole_life_nothing_is_mailed_collected_deleted_or_billed_backwards(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
    invoice, voided = billing.invoice(customer), billing.invoice(customer)
    payment = billing.payment(customer, invoice)
    steps: tuple[tuple[UUID, dict[str, Any]], ...] = (
        (invoice, {"notes": "Agreed by telephone"}),
        (voided, {"status": "voided"}),
        (payment, {"reference": "Another order"}),
        (payment, {"status": "refunded"}),
        (service, {"monthly_price": Decimal("849.00")}),
        (service, {"status": "cancelled"}),
        (service, {"status": "active"}),
        (service, {"status": "cancelled"}),
        (customer, {"account_status": "cancelled"}),
    )
    await process.turns_until_quiet()
    until(zoho, date(2099, 1, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    for row, columns in steps:
        billing.change(row, **columns)
        await process.turns_until_quiet()
        assert billing.shown(row)[0] == "synced", (columns, billing.shown(row))
    assert only(zoho, "subscriptions")["auto_collect"] is False
    assert [each["is_emailed"] for each in held(zoho, "invoices") if each["subscription_id"] == ""] == [False, False]
    for asked in zoho.simulator.journal:
        assert asked.method != "DELETE"
        assert "send=" not in asked.query
        assert not asked.path.endswith(("/email", "/collect", "/charge", "/card"))
        for word in (b'"create_backdated_invoice"', b'"auto_collect":true', b'"is_portal_enabled"'):
            assert word not in asked.body
