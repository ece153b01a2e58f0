"""What subscriptions cost, and from when, in Zoho's books."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import simplejson

from outbox.simulator import RunningSimulator
from tests.sending.billing import Billing, ZohosClock, held, only, until
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_a_plan_with_a_setup_fee_and_a_trial_costs_the_months_price_from_the_first_day(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
) -> None:
    zoho.simulator.plant_plan(plan_code="TRIAL-1", recurring_price=899, setup_fee=1500, trial_period=14)
    package = billing.package(sku="TRIAL-1")
    billing.service(customer, package, last_invoice_date=date(2098, 12, 15))
    await process.turns_until_quiet()
    until(zoho, date(2099, 1, 20))
    assert only(zoho, "subscriptions")["status"] == "live"
    assert [(each["date"], each["total"]) for each in held(zoho, "invoices")] == [("2099-01-15", Decimal("799.00"))]
    (create,) = [asked for asked in zoho.simulator.journal if asked.path.endswith("/subscriptions")]
    sent = simplejson.loads(create.body, use_decimal=True)
    assert (sent["plan"]["exclude_setup_fee"], sent["plan"]["exclude_trial"], sent["auto_collect"]) == (
        True,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("price", "amount"), [("0.33", Decimal("0.38")), ("0.37", None)], ids=["five cents more", "six cents more"]
)
async def test_what_a_term_costs_may_differ_by_five_cents_and_no_more(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    process: Process,
    customer: UUID,
    fibre: UUID,
    price: str,
    amount: Decimal | None,
) -> None:
    # Fifteen per cent on top: 0.38 of 0.33, 0.43 of 0.37.
    zoho.settings.subscriptions.prices_include_tax = False
    service = billing.service(customer, fibre, monthly_price=Decimal(price))
    await process.turns_until_quiet()
    if amount is None:
        assert billing.shown(service)[0] == "failed"
        assert "0.43" in billing.error(service)
        assert price in billing.error(service)
        return
    assert only(zoho, "subscriptions")["amount"] == amount
    assert billing.shown(service) == ("synced", None)
    assert "differs by 0.05" in host.entries(service)[-1]["last_error"]


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ({"billing_day": 15, "last_invoice_date": date(2099, 1, 15)}, "2099-02-15"),
        ({"billing_day": 15, "last_invoice_date": date(2099, 1, 14)}, "2099-01-15"),
        ({"billing_day": 1, "last_invoice_date": date(2099, 1, 31)}, "2099-02-01"),
        ({"billing_day": 28, "last_invoice_date": date(2099, 2, 28)}, "2099-03-28"),
        ({"billing_day": 1, "last_invoice_date": date(2099, 12, 1)}, "2100-01-01"),
        ({"billing_day": 15, "last_invoice_date": None, "activation_date": date(2099, 1, 15)}, "2099-01-15"),
        ({"billing_day": 15, "last_invoice_date": None, "activation_date": date(2099, 1, 16)}, "2099-02-15"),
        (
            {"billing_day": 15, "last_invoice_date": date(2099, 3, 1), "activation_date": date(2099, 1, 1)},
            "2099-03-15",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_zoho_begins_on_the_day_after_which_the_host_has_billed_nothing(
    billing: Billing,
    zoho: RunningSimulator,
    process: Process,
    customer: UUID,
    fibre: UUID,
    columns: dict[str, Any],
    first: str,
) -> None:
    billing.service(customer, fibre, **columns)
    await process.turns_until_quiet()
    assert only(zoho, "subscriptions")["next_billing_at"] == first
    until(zoho, date.fromisoformat(first))
    assert [each["date"] for each in held(zoho, "invoices")] == [first]


async def test_one_that_ended_and_is_active_again_is_billed_for_no_day_twice(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
    await process.turns_until_quiet()
    until(zoho, date(2099, 1, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    billing.change(service, status="cancelled")
    await process.turns_until_quiet()
    until(zoho, date(2099, 2, 20))
    billing.change(service, status="active")
    await process.turns_until_quiet()
    until(zoho, date(2099, 4, 20))
    assert sorted(each["date"] for each in held(zoho, "invoices")) == ["2099-01-15", "2099-03-15", "2099-04-15"]
