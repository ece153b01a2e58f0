"""What time does to subscriptions. The clock stands at noon of 20 November 2026 in Johannesburg."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator, SimulatorSettings
from outbox.simulator.settings import OrganisationSettings

from .conftest import Api
from .subscribing import DAY, PRICE, body, invoice_days, invoices, read, ready, subscribe, until

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]


async def test_a_future_one_starts_on_its_day_with_an_invoice(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), starts_at="2026-12-01")
    await until(api, simulator, "2026-11-30")
    assert (await read(api, subscription))["status"] == "future"
    await until(api, simulator, "2026-12-01")
    live = await read(api, subscription)
    assert (live["status"], live["activated_at"], live["next_billing_at"]) == ("live", "2026-12-01", "2027-01-01")
    assert live["updated_time"] == "2026-12-01T00:00:00+0200"
    (invoice,) = invoices(simulator)
    assert live["child_invoice_id"] == invoice["invoice_id"]
    assert (invoice["date"], invoice["total"]) == ("2026-12-01", PRICE)


async def test_the_day_begins_at_midnight_of_the_organisation(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), starts_at="2026-11-21")
    simulator.clock.advance(DAY / 2 - 1)
    await api.sign_in()
    assert (await read(api, subscription))["status"] == "future"
    simulator.clock.advance(1)
    assert (await read(api, subscription))["status"] == "live"


async def test_a_live_one_renews_with_a_new_invoice(api: Api, simulator: RunningSimulator) -> None:
    first = await subscribe(api, await ready(api, simulator, setup_fee=199))
    await until(api, simulator, "2026-12-20")
    second = await read(api, first)
    assert (second["status"], second["current_term_starts_at"]) == ("live", "2026-12-20")
    assert second["current_term_ends_at"] == second["next_billing_at"] == "2027-01-20"
    assert second["last_billing_at"] == "2026-12-20"
    assert second["child_invoice_id"] != first["child_invoice_id"]
    assert [invoice["total"] for invoice in invoices(simulator)] == [998, PRICE]


async def test_a_term_ends_once_however_often_one_looks(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    await until(api, simulator, "2026-12-25")
    for _ in range(3):
        await read(api, subscription)
    assert invoice_days(simulator) == ["2026-11-20", "2026-12-20"]


async def test_terms_that_nobody_looked_at_are_all_billed_in_the_order_of_their_days(
    api: Api, simulator: RunningSimulator
) -> None:
    customer_id = await ready(api, simulator)
    await subscribe(api, customer_id, starts_at="2026-12-02")
    await subscribe(api, customer_id, starts_at="2026-12-01")
    await until(api, simulator, "2027-02-01")
    assert invoice_days(simulator) == ["2026-12-01", "2026-12-02", "2027-01-01", "2027-01-02", "2027-02-01"]
    numbers = [invoice["invoice_number"] for invoice in invoices(simulator)]
    assert numbers == sorted(numbers)


async def test_a_month_end_stays_a_month_end(api: Api, simulator: RunningSimulator) -> None:
    await subscribe(api, await ready(api, simulator), starts_at="2027-01-31")
    await until(api, simulator, "2027-05-01")
    assert invoice_days(simulator) == ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]


async def test_a_quarter_and_a_year(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator, interval=3)
    simulator.simulator.plant_plan(plan_code="yearly", recurring_price=7990, interval_unit="years")
    await subscribe(api, customer_id)
    await subscribe(api, customer_id, plan={"plan_code": "yearly"})
    await until(api, simulator, "2027-11-20")
    of_plan = {
        code: [inv["date"] for inv in invoices(simulator) if inv["total"] == total]
        for code, total in (("quarter", PRICE), ("year", 7990))
    }
    assert of_plan["quarter"] == ["2026-11-20", "2027-02-20", "2027-05-20", "2027-08-20", "2027-11-20"]
    assert of_plan["year"] == ["2026-11-20", "2027-11-20"]


async def test_renewals_are_seen_in_the_list_of_invoices_first(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), starts_at="2026-12-01")
    await until(api, simulator, "2027-01-15")
    listed = await api.get("/invoices", subscription_id=subscription["subscription_id"])
    assert [row["date"] for row in listed.json()["invoices"]] == ["2026-12-01", "2027-01-01"]


async def test_a_renewal_is_too_new_for_lists_at_first(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.list_lag_seconds = 20
    await subscribe(api, await ready(api, simulator), starts_at="2026-11-21")
    simulator.clock.advance(DAY / 2 + 19)
    await api.sign_in()
    assert (await api.get("/invoices")).json()["invoices"] == []
    simulator.clock.advance(1)
    assert len((await api.get("/invoices")).json()["invoices"]) == 1


async def test_a_scheduled_change_is_made_at_the_end_of_the_term(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    subscription = await subscribe(api, customer_id)
    where = f"/subscriptions/{subscription['subscription_id']}"
    await api.put(where, body(customer_id, end_of_term=True, plan={"price": 849}))
    await until(api, simulator, "2026-12-19")
    assert (await read(api, subscription))["amount"] == PRICE
    await until(api, simulator, "2026-12-20")
    changed = await read(api, subscription)
    assert (changed["amount"], changed["end_of_term"], changed["plan"]["price"]) == (849, False, 849)
    assert [invoice["total"] for invoice in invoices(simulator)] == [PRICE, 849]
    assert (await api.get(f"{where}/scheduledchanges")).json()["subscription"] == {}
    await until(api, simulator, "2027-01-20")
    assert (await read(api, subscription))["amount"] == 849


async def test_a_scheduled_interval_counts_from_the_end_of_the_term(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    simulator.simulator.plant_plan(plan_code="yearly", recurring_price=7990, interval_unit="years")
    subscription = await subscribe(api, customer_id)
    where = f"/subscriptions/{subscription['subscription_id']}"
    await api.put(where, body(customer_id, end_of_term=True, plan={"plan_code": "yearly"}))
    await until(api, simulator, "2026-12-20")
    changed = await read(api, subscription)
    assert (changed["interval_unit"], changed["next_billing_at"]) == ("years", "2027-12-20")


async def test_what_was_changed_before_the_start_is_billed_on_it(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    subscription = await subscribe(api, customer_id, starts_at="2026-12-01")
    sent = body(customer_id, end_of_term=True, plan={"price": 649})
    await api.put(f"/subscriptions/{subscription['subscription_id']}", sent)
    await until(api, simulator, "2026-12-01")
    assert [invoice["total"] for invoice in invoices(simulator)] == [649]


async def test_a_non_renewing_one_is_cancelled_when_its_term_ends(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    where = f"/subscriptions/{subscription['subscription_id']}"
    await api.send("POST", f"{where}/cancel", None, cancel_at_end="true")
    await until(api, simulator, "2026-12-19")
    assert (await read(api, subscription))["status"] == "non_renewing"
    await until(api, simulator, "2027-02-01")
    over = await read(api, subscription)
    assert (over["status"], over["cancelled_at"]) == ("cancelled", "2026-12-20")
    assert invoice_days(simulator) == ["2026-11-20"]
    assert (await api.post(f"{where}/reactivate")).status_code == 400


async def test_a_reactivated_one_renews(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    where = f"/subscriptions/{subscription['subscription_id']}"
    await api.send("POST", f"{where}/cancel", None, cancel_at_end="true")
    await api.post(f"{where}/reactivate")
    await until(api, simulator, "2026-12-20")
    assert invoice_days(simulator) == ["2026-11-20", "2026-12-20"]


@pytest.mark.parametrize("starts_at", ["2026-11-20", "2026-12-01"])
async def test_a_cancelled_or_deleted_one_is_never_billed_again(
    api: Api, simulator: RunningSimulator, starts_at: str
) -> None:
    customer_id = await ready(api, simulator)
    cancelled = await subscribe(api, customer_id, starts_at=starts_at)
    deleted = await subscribe(api, customer_id, starts_at=starts_at)
    billed = len(invoices(simulator))
    await api.post(f"/subscriptions/{cancelled['subscription_id']}/cancel")
    await api.send("DELETE", f"/subscriptions/{deleted['subscription_id']}")
    await until(api, simulator, "2027-03-01")
    assert len(invoices(simulator)) == billed


async def test_a_trial_ends_in_a_paid_term(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator, trial_period=7, setup_fee=199))
    await until(api, simulator, "2026-11-27")
    live = await read(api, subscription)
    assert (live["status"], live["activated_at"], live["next_billing_at"]) == ("live", "2026-11-27", "2026-12-27")
    assert (live["trial_starts_at"], live["trial_ends_at"]) == ("2026-11-20", "2026-11-27")
    assert [invoice["total"] for invoice in invoices(simulator)] == [998]


async def test_the_billing_cycles_run_out(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), plan={"billing_cycles": 2})
    assert (subscription["expires_at"], subscription["next_billing_at"]) == ("2027-01-20", "2026-12-20")
    await until(api, simulator, "2026-12-20")
    last = await read(api, subscription)
    assert (last["status"], last["next_billing_at"], last["expires_at"]) == ("live", "", "2027-01-20")
    await until(api, simulator, "2027-03-01")
    assert (await read(api, subscription))["status"] == "expired"
    assert invoice_days(simulator) == ["2026-11-20", "2026-12-20"]


async def test_terms_are_counted_from_a_postponed_renewal(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    where = f"/subscriptions/{subscription['subscription_id']}/postpone"
    await api.post(where, {"renewal_at": "2026-12-31"})
    await until(api, simulator, "2027-03-01")
    assert invoice_days(simulator) == ["2026-11-20", "2026-12-31", "2027-01-31", "2027-02-28"]


async def test_unbilled_charges_are_of_the_first_term_alone(api: Api, simulator: RunningSimulator) -> None:
    await subscribe(api, await ready(api, simulator), add_to_unbilled_charges=True)
    await until(api, simulator, "2026-12-20")
    assert invoice_days(simulator) == ["2026-12-20"]


async def test_a_planted_one_renews_at_its_plans_price_or_its_amount(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    plant = simulator.simulator.plant_subscription
    dates = {"current_term_starts_at": "2026-10-31", "next_billing_at": "2026-11-30"}
    plant(customer_id=customer_id, amount=500, **dates)
    plant(customer_id=customer_id, amount=600, plan={"price": 300, "quantity": 2}, **dates)
    plant(customer_id=customer_id, amount=700)
    plant(customer_id=customer_id, amount=800, status="cancelled", **dates)
    plant(customer_id=customer_id, amount=900, status="paused", **dates)
    await until(api, simulator, "2026-12-31")
    assert [(invoice["date"], invoice["total"]) for invoice in invoices(simulator)] == [
        ("2026-11-30", 500),
        ("2026-11-30", 600),
        ("2026-12-31", 500),
        ("2026-12-31", 600),
    ]


async def test_one_of_a_customer_that_is_not_there_renews_without_an_invoice(
    api: Api, simulator: RunningSimulator
) -> None:
    subscription_id = simulator.simulator.plant_subscription(customer_id="1", next_billing_at="2026-11-30")
    await until(api, simulator, "2026-12-01")
    assert (await read(api, {"subscription_id": subscription_id}))["next_billing_at"] == "2026-12-30"
    assert invoices(simulator) == []


async def test_an_edit_by_hand_moves_the_renewal(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    simulator.simulator.edit("subscriptions", subscription["subscription_id"], {"next_billing_at": "2026-12-25"})
    await until(api, simulator, "2026-12-24")
    assert len(invoices(simulator)) == 1
    await until(api, simulator, "2026-12-25")
    assert invoice_days(simulator) == ["2026-11-20", "2026-12-25"]


async def test_a_tax_that_left_the_settings_stops_no_renewal(api: Api, simulator: RunningSimulator) -> None:
    taxes = simulator.settings.taxes
    await subscribe(api, await ready(api, simulator), plan={"tax_id": taxes[1].tax_id})
    simulator.settings.taxes = taxes[:1]
    await until(api, simulator, "2026-12-20")
    assert [invoice["tax_total"] for invoice in invoices(simulator)] == [Decimal("0.00"), Decimal("104.22")]


async def test_a_customer_with_a_future_one_stays_active_and_may_leave_after_the_end(
    api: Api, simulator: RunningSimulator
) -> None:
    customer_id = await ready(api, simulator)
    subscription = await subscribe(api, customer_id, starts_at="2026-12-01")
    assert (await api.post(f"/customers/{customer_id}/markasinactive")).status_code == 400
    await api.post(f"/subscriptions/{subscription['subscription_id']}/cancel")
    assert (await api.post(f"/customers/{customer_id}/markasinactive")).status_code == 200


async def test_holdings_are_up_to_date_without_a_request(api: Api, simulator: RunningSimulator) -> None:
    await subscribe(api, await ready(api, simulator), starts_at="2026-12-01")
    await api.control("POST", "/clock", {"advance_seconds": 30 * DAY})
    books = (await api.control("GET", "/books")).json()
    assert [row["status"] for row in books["subscriptions"]] == ["live"]
    assert [row["date"] for row in books["invoices"]] == ["2026-12-01"]


class TestInAnotherZone:
    @pytest.fixture
    def settings(self, settings: SimulatorSettings) -> SimulatorSettings:
        own = OrganisationSettings(time_zone="Pacific/Auckland")
        return settings.model_copy(update={"organisation": own})

    async def test_days_are_those_of_the_organisation(self, api: Api, simulator: RunningSimulator) -> None:
        subscription: dict[str, Any] = await subscribe(api, await ready(api, simulator))
        assert subscription["activated_at"] == "2026-11-20"
        assert subscription["created_time"] == "2026-11-20T23:00:00+1300"
        later = await subscribe(api, subscription["customer"]["customer_id"], starts_at="2026-11-21")
        assert later["status"] == "future"
        simulator.clock.advance(3600)
        await api.sign_in()
        assert (await read(api, later))["status"] == "live"
