"""Days that pass while a service waits: whoever billed them, or nobody, somebody is told."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from outbox.sending.attempt import FIRST_LOOK_SECONDS
from outbox.simulator import FaultKind, RunningSimulator
from tests.sending.billing import PLAN, Billing, ZohosClock, held, only, until
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio


def recurring(billing: Billing, customer: UUID, service: UUID, month: int, **columns: Any) -> UUID:
    """What the host's own run writes for the month from the 15th on."""
    day = date(2099, month, 15)
    billing.change(service, last_invoice_date=day)
    values = {"invoice_number": f"R-{month}", "invoice_type": "recurring", "invoice_date": day, "due_date": day}
    return billing.invoice(customer, "799.00", service_id=service, period_start=day, **values | columns)


def note(host: Host, service: UUID) -> str:
    """What the last entry that sent something says."""
    return [str(entry["last_error"]) for entry in host.entries(service) if entry["status"] == "done"][-1]


@pytest.fixture
def unpublished(billing: Billing, zoho: RunningSimulator) -> UUID:
    zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
    return billing.package(publishing="pending")


async def test_months_that_the_host_alone_billed_are_told_with_its_invoices(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, unpublished: UUID
) -> None:
    service = billing.service(customer, unpublished, last_invoice_date=date(2098, 12, 15))
    await process.turns_until_quiet()
    for month in (1, 2):
        recurring(billing, customer, service, month)
    # What asks nobody for money, and what is in Zoho, is no month that is missing there.
    recurring(billing, customer, service, 2, invoice_number="R-2-wrong", status="voided")
    recurring(billing, customer, service, 2, invoice_number="PR-2", invoice_type="pro_rata")
    until(zoho, date(2099, 2, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    await process.turns_until_quiet()
    billing.publish(unpublished)
    await process.turns_until_quiet()
    assert only(zoho, "subscriptions")["next_billing_at"] == "2099-03-15"
    assert note(host, service) == (
        "only the host billed 2099-01-15 to 2099-03-14 (R-1, R-2), which is not in Zoho: enter it there by hand"
    )


async def test_months_that_nobody_billed_after_those_are_told_beside_them(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, unpublished: UUID
) -> None:
    service = billing.service(customer, unpublished, last_invoice_date=date(2098, 12, 15))
    recurring(billing, customer, service, 1)
    until(zoho, date(2099, 3, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    await process.turns_until_quiet()
    billing.publish(unpublished)
    await process.turns_until_quiet()
    assert only(zoho, "subscriptions")["next_billing_at"] == "2099-04-15"
    told = note(host, service)
    assert "only the host billed 2099-01-15 to 2099-02-14 (R-1)" in told
    assert "nobody billed 2099-02-15 to 2099-04-14: raise it by hand" in told


async def test_the_month_that_the_host_had_billed_before_the_installation_is_no_news(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
    recurring(billing, customer, service, 1)
    host.interfere("UPDATE zoho_outbox_private.installation SET installed_at = '2099-01-20'")
    await process.turns_until_quiet()
    assert only(zoho, "subscriptions")["next_billing_at"] == "2099-02-15"
    assert note(host, service) == "None"


@pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
async def test_they_are_told_although_the_reply_to_the_create_was_lost(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    process: Process,
    customer: UUID,
    fibre: UUID,
    kind: FaultKind,
) -> None:
    until(zoho, date(2099, 1, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    zoho.faults.plant(kind, "POST", "/subscriptions")
    service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
    await process.turns_until_quiet()
    for _ in range(3):
        await process.turn_later(service, 10 * FIRST_LOOK_SECONDS)
    assert len(held(zoho, "subscriptions")) == 1
    assert billing.shown(service) == ("synced", None)
    assert "nobody billed 2099-01-15 to 2099-02-14: raise it by hand" in note(host, service)


async def test_a_price_that_comes_on_the_day_of_the_bill_is_told_with_both_figures(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
    await process.turns_until_quiet()
    until(zoho, date(2099, 1, 15))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    billing.change(service, monthly_price="749.00")
    await process.turns_until_quiet()
    assert billing.shown(service) == ("synced", None)
    assert "Zoho billed the term from 2099-01-15 at 799.00 before it was told of 749.00" in note(host, service)
    until(zoho, date(2099, 2, 16))
    assert [str(each["total"]) for each in held(zoho, "invoices")] == ["799.00", "749.00"]
    billing.change(service, monthly_price="699.00")
    await process.turns_until_quiet()
    assert "699.00" not in note(host, service)
