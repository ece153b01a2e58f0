"""Plans that bill otherwise than by the month: monthly_price is refused there, and what exists can be ended."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from tests.sending.billing import FAR, Billing, ZohosClock, forget_requests, held, only, routes, until
from tests.sending.conftest import NewProcess, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio


def plan(zoho: RunningSimulator, code: str, interval: int, unit: str) -> None:
    zoho.simulator.plant_plan(
        plan_code=code, name=code, recurring_price=Decimal("8990.00"), interval=interval, interval_unit=unit
    )


@pytest.mark.parametrize(
    ("interval", "unit", "said"),
    [(12, "months", "every 12 months"), (1, "years", "every year"), (3, "months", "every 3 months")],
)
async def test_a_months_price_is_refused_on_a_longer_plan_and_sent_when_the_package_has_another(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, interval: int, unit: str, said: str
) -> None:
    plan(zoho, "LONG", interval, unit)
    plan(zoho, "MONTH", 1, "months")
    package = billing.package(sku="LONG")
    service = billing.service(customer, package)
    await process.turns_until_quiet()
    assert held(zoho, "subscriptions") == []
    assert routes(zoho) == ["GET /plans"]
    assert billing.shown(service)[0] == "failed"
    assert billing.error(service).startswith(f"plan LONG bills {said}, and monthly_price 799.00 is for one month: ")
    billing.change(package, sku="MONTH")
    billing.replay(service)
    await process.turns_until_quiet()
    assert billing.shown(service) == ("synced", None)
    assert only(zoho, "subscriptions")["amount"] == Decimal("799.00")


@pytest.mark.parametrize(("unit", "sent"), [("years", False), ("months", True)])
async def test_a_plan_that_was_made_since_the_list_was_read_is_asked_for_by_its_code(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID, unit: str, sent: bool
) -> None:
    billing.service(customer, fibre)
    await process.turns_until_quiet()
    plan(zoho, "NEW / 1", 1, unit)
    forget_requests(zoho)
    service = billing.service(customer, billing.package(sku="NEW / 1"))
    await process.turns_until_quiet()
    assert routes(zoho) == ["GET /plans/NEW%20%2F%201", *(["POST /subscriptions"] if sent else [])]
    assert (billing.shown(service)[0] == "synced") is sent
    if not sent:
        assert billing.error(service).startswith("plan NEW / 1 bills every year")


async def test_a_service_is_not_moved_to_a_longer_plan(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    plan(zoho, "YEAR", 1, "years")
    service = billing.service(customer, fibre)
    await process.turns_until_quiet()
    before = only(zoho, "subscriptions")
    billing.change(service, package_id=billing.package(sku="YEAR"))
    await process.turns_until_quiet()
    assert only(zoho, "subscriptions") == before
    assert billing.error(service).startswith("plan YEAR bills every year")


async def test_one_from_before_on_a_yearly_plan_is_ended_and_what_was_paid_ahead_is_told(
    host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    plan(zoho, "YEAR", 1, "years")
    package, customer = billing.package(sku="YEAR"), host.add_customer()
    async with new_process(ZOHO_CANCEL_AT="now") as process:
        await process.turns_until_quiet()
        service = billing.service(customer, package, status="pending", last_invoice_date=FAR)
        zoho_id = zoho.simulator.plant_subscription(
            customer_id=only(zoho, "customers")["customer_id"],
            reference_id=str(service),
            plan_code="YEAR",
            plan={"plan_code": "YEAR", "price": Decimal("8990.00"), "quantity": 1},
            amount=Decimal("8990.00"),
            interval="1",
            interval_unit="years",
            status="live",
            current_term_starts_at="2098-06-15",
            current_term_ends_at="2099-06-15",
            next_billing_at="2099-06-15",
        )
        until(zoho, date(2099, 1, 20))
        process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
        billing.set_zoho_id(service, zoho_id)
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert billing.error(service).startswith("plan YEAR bills every year")
        assert only(zoho, "subscriptions")["status"] == "live"
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "cancelled"
        assert "Zoho has billed it to 2099-06-15 (every year)" in host.entries(service)[-1]["last_error"]
        # Active again, it would begin when that year is over, at a twelfth of the price: so not at all.
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert len(held(zoho, "subscriptions")) == 1
        assert billing.error(service).startswith("plan YEAR bills every year")
