from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.settings import Undocumented

from .conftest import Api
from .subscribing import KEY, PRICE, body, invoice_days, invoices, read, ready, subscribe

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]

ALL = {"filter_by": "SubscriptionStatus.All"}


async def test_a_created_subscription_is_shown_as_recorded(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    reply = await api.post("/subscriptions", body(customer_id))
    assert (reply.status_code, reply.json()["message"]) == (201, "Subscription has been created successfully.")
    subscription = reply.json()["subscription"]
    assert subscription["subscription_number"] == "SUB-00001"
    assert subscription["name"] == "Services-Home 50"
    assert (subscription["status"], subscription["reference_id"]) == ("live", KEY)
    assert (subscription["activated_at"], subscription["created_at"]) == ("2026-11-20", "2026-11-20")
    assert subscription["current_term_starts_at"] == subscription["last_billing_at"] == "2026-11-20"
    assert subscription["current_term_ends_at"] == subscription["next_billing_at"] == "2026-12-20"
    assert (subscription["expires_at"], subscription["end_of_term"]) == ("", False)
    assert (subscription["interval"], subscription["interval_unit"]) == ("1", "months")
    assert subscription["created_time"] == "2026-11-20T12:00:00+0200"
    assert subscription["plan"]["plan_code"] == "home-50"
    assert (subscription["plan"]["price"], subscription["plan"]["quantity"]) == (PRICE, 1)
    assert subscription["customer"]["display_name"] == "Vlei Bakery"
    assert subscription["contactpersons"][0]["email"] == "vlei@example.com"
    assert await read(api, subscription) == subscription


async def test_the_amount_holds_the_tax_and_the_sub_total_does_not(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    assert (subscription["amount"], subscription["sub_total"]) == (799, 694.78)
    tax = simulator.settings.taxes[0]
    assert subscription["taxes"] == [{"tax_id": tax.tax_id, "tax_name": tax.tax_name, "tax_amount": "104.22"}]


async def test_where_plan_prices_are_without_tax_it_comes_on_top(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.subscriptions.prices_include_tax = False
    subscription = await subscribe(api, await ready(api, simulator))
    assert (subscription["amount"], subscription["sub_total"]) == (918.85, 799)
    (invoice,) = invoices(simulator)
    assert invoice["total"] == Decimal("918.85")


async def test_price_quantity_and_tax_of_the_body_win_over_the_plans(api: Api, simulator: RunningSimulator) -> None:
    zero = simulator.settings.taxes[1].tax_id
    plan = {"price": "649.50", "quantity": 2, "tax_id": zero, "plan_description": "Flat 4"}
    subscription = await subscribe(api, await ready(api, simulator), plan=plan)
    assert (subscription["amount"], subscription["sub_total"]) == (1299, 1299)
    assert (subscription["plan"]["price"], subscription["plan"]["total"]) == (649.5, 1299)
    (invoice,) = invoices(simulator)
    assert invoice["invoice_items"][0]["description"] == "Flat 4"
    assert (invoice["total"], invoice["tax_total"]) == (Decimal(1299), 0)


async def test_a_subscription_bills_at_once(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    (invoice,) = invoices(simulator)
    assert invoice["invoice_id"] == subscription["child_invoice_id"]
    assert (invoice["subscription_id"], invoice["status"]) == (subscription["subscription_id"], "sent")
    assert (invoice["date"], invoice["due_date"], invoice["total"]) == ("2026-11-20", "2026-11-20", PRICE)
    assert "20-November-2026 to 19-December-2026" in invoice["invoice_items"][0]["description"]
    assert (await api.get(f"/invoices/{invoice['invoice_id']}")).json()["invoice"]["total"] == PRICE


async def test_payment_terms_are_the_customers_unless_the_body_has_some(api: Api, simulator: RunningSimulator) -> None:
    await ready(api, simulator)
    customer_id = await api.create("Net", payment_terms=15, payment_terms_label="Net 15")
    assert (await subscribe(api, customer_id))["payment_terms_label"] == "Net 15"
    await subscribe(api, customer_id, payment_terms=30, payment_terms_label="Net 30")
    assert [invoice["due_date"] for invoice in invoices(simulator)] == ["2026-12-05", "2026-12-20"]


async def test_a_future_start_bills_nothing_yet(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), starts_at="2026-12-01")
    assert (subscription["status"], subscription["next_billing_at"]) == ("future", "2026-12-01")
    assert (subscription["child_invoice_id"], subscription["activated_at"]) == ("", "")
    assert invoices(simulator) == []


async def test_a_start_today_is_no_future(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), starts_at="2026-11-20")
    assert subscription["status"] == "live"
    assert invoice_days(simulator) == ["2026-11-20"]


async def test_unbilled_charges_raise_no_invoice(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator), add_to_unbilled_charges=True)
    assert (subscription["status"], subscription["child_invoice_id"]) == ("live", "")
    assert subscription["unbilled_charge_id"]
    assert invoices(simulator) == []


@pytest.mark.parametrize(
    ("backdated", "days"), [(False, []), (True, ["2026-11-05"])], ids=["without an invoice", "with a backdated one"]
)
async def test_a_past_start_runs_since_then(
    api: Api, simulator: RunningSimulator, backdated: bool, days: list[str]
) -> None:
    subscription = await subscribe(
        api, await ready(api, simulator), starts_at="2026-08-05", create_backdated_invoice=backdated
    )
    assert (subscription["status"], subscription["activated_at"]) == ("live", "2026-08-05")
    assert subscription["current_term_starts_at"] == "2026-11-05"
    assert subscription["next_billing_at"] == "2026-12-05"
    assert invoice_days(simulator) == days


async def test_the_present_term_of_a_past_start_can_be_put_aside(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(
        api, await ready(api, simulator), starts_at="2026-08-05", add_to_unbilled_charges=True
    )
    assert subscription["unbilled_charge_id"]
    assert invoices(simulator) == []


async def test_a_past_start_whose_cycles_are_over_is_expired(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(
        api,
        await ready(api, simulator, billing_cycles=2),
        starts_at="2026-08-05",
        create_backdated_invoice=True,
    )
    assert (subscription["status"], subscription["expires_at"]) == ("expired", "2026-10-05")
    assert invoices(simulator) == []


async def test_a_term_of_a_backdated_subscription_that_begins_today_is_billed(
    api: Api, simulator: RunningSimulator
) -> None:
    await subscribe(api, await ready(api, simulator), starts_at="2026-10-20")
    assert invoice_days(simulator) == ["2026-11-20"]


@pytest.mark.parametrize(
    ("plan", "status", "ends"),
    [
        ({}, "trial", "2026-11-27"),
        ({"exclude_trial": True}, "live", "2026-12-20"),
        ({"trial_days": 3}, "trial", "2026-11-23"),
        ({"exclude_trial": True, "trial_days": 3}, "trial", "2026-11-23"),
    ],
)
async def test_a_trial_comes_first_unless_it_is_excluded(
    api: Api, simulator: RunningSimulator, plan: dict[str, Any], status: str, ends: str
) -> None:
    subscription = await subscribe(api, await ready(api, simulator, trial_period=7), plan=plan)
    assert (subscription["status"], subscription["next_billing_at"]) == (status, ends)
    assert len(invoices(simulator)) == (status == "live")


@pytest.mark.parametrize(("plan", "total"), [({}, 998), ({"setup_fee": 50}, 849), ({"exclude_setup_fee": True}, PRICE)])
async def test_the_setup_fee_stands_on_the_first_invoice_and_not_in_the_amount(
    api: Api, simulator: RunningSimulator, plan: dict[str, Any], total: int
) -> None:
    subscription = await subscribe(api, await ready(api, simulator, setup_fee=199), plan=plan)
    assert subscription["amount"] == PRICE
    assert [invoice["total"] for invoice in invoices(simulator)] == [total]


async def test_a_reference_may_repeat_and_repeats_are_named(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    fields = [{"label": "External ID", "value": KEY}]
    first = await subscribe(api, customer_id, custom_fields=fields)
    second = await subscribe(api, customer_id)
    assert first["subscription_id"] != second["subscription_id"]
    statistics = simulator.statistics
    assert statistics.created_more_than_once("subscriptions", "reference_id") == {KEY: 2}
    assert statistics.creates["subscriptions"]["External ID"] == {KEY: 1}
    assert statistics.count_of_creates("subscriptions") == 2


async def test_a_new_customer_can_come_with_it(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    await ready(api, simulator)
    sent = body("", customer={"display_name": "New", "email": "new@example.com", "country_code": "ZA"})
    del sent["customer_id"]
    subscription = (await api.post("/subscriptions", sent)).json()["subscription"]
    customer_id = subscription["customer"]["customer_id"]
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["display_name"] == "New"
    assert simulator.statistics.creates["customers"]["display_name"]["New"] == 1
    assert simulator.statistics.unknown_keys["POST /subscriptions"] == {"customer.country_code": 1}
    wrong = {**sent, "plan": {"plan_code": "none"}, "customer": {"display_name": "Not made"}}
    assert code_of(await api.post("/subscriptions", wrong)) == (400, 101002)
    assert code_of(await api.post("/subscriptions", {**sent, "customer": "New"})) == (400, 4)
    assert code_of(await api.post("/subscriptions", {**sent, "customer_id": customer_id})) == (400, 4)
    assert [row["display_name"] for row in simulator.simulator.books.customers] == ["Vlei Bakery", "New"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"customer_id": "1"}, 3004),
        ({"customer_id": 5}, 3004),
        ({"plan": {"plan_code": "none"}}, 101002),
        ({"addons": [{"addon_code": "mail"}]}, 102001),
        ({"custom_fields": [{"label": "Shoe Size", "value": "44"}]}, 120129),
        ({"custom_fields": "x"}, 4),
        ({"plan": {"plan_code": 5}}, 4),
        ({"plan": {"price": "x"}}, 4),
        ({"plan": {"price": -1}}, 4),
        ({"plan": {"quantity": 0}}, 4),
        ({"plan": {"quantity": 1.5}}, 4),
        ({"plan": {"tax_id": "1"}}, 4),
        ({"plan": {"exclude_trial": "true"}}, 4),
        ({"plan": {"trial_days": -1}}, 4),
        ({"plan": {"tags": {}}}, 4),
        ({"starts_at": "20-11-2026"}, 4),
        ({"starts_at": "20261120"}, 4),
        ({"starts_at": ""}, 4),
        ({"starts_at": 5}, 4),
        ({"reference_id": 5}, 4),
        ({"payment_terms": "30"}, 4),
        ({"auto_collect": "false"}, 4),
        ({"contactpersons": [{"email": "x"}]}, 4),
        ({"coupon_code": "Flat10"}, 4),
    ],
)
async def test_what_does_not_fit_is_refused_and_makes_nothing(
    api: Api, simulator: RunningSimulator, changes: dict[str, Any], code: int, code_of: CodeOf
) -> None:
    sent = body(await ready(api, simulator), **{name: changes[name] for name in changes if name != "customer_id"})
    sent["customer_id"] = changes.get("customer_id", sent["customer_id"])
    assert code_of(await api.post("/subscriptions", sent)) == (400, code)
    assert len(simulator.simulator.books.subscriptions) == 0
    assert invoices(simulator) == []


@pytest.mark.parametrize("missing", ["customer_id", "plan"])
async def test_a_customer_and_a_plan_are_needed(
    api: Api, simulator: RunningSimulator, missing: str, code_of: CodeOf
) -> None:
    sent = body(await ready(api, simulator))
    del sent[missing]
    assert code_of(await api.post("/subscriptions", sent)) == (400, 4)


async def test_an_inactive_customer_or_plan_gets_no_subscription(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    await api.post("/plans/home-50/markasinactive")
    assert (await api.post("/subscriptions", body(customer_id))).status_code == 400
    await api.post("/plans/home-50/markasactive")
    await api.post(f"/customers/{customer_id}/markasinactive")
    assert (await api.post("/subscriptions", body(customer_id))).status_code == 400
    assert len(simulator.simulator.books.subscriptions) == 0


async def test_collecting_automatically_needs_a_card(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    assert (await api.post("/subscriptions", body(customer_id, auto_collect=True))).status_code == 400
    silent = body(customer_id)
    del silent["auto_collect"]
    assert (await api.post("/subscriptions", silent)).status_code == 400
    simulator.settings.subscriptions.auto_collect_by_default = False
    assert (await api.post("/subscriptions", silent)).json()["subscription"]["auto_collect"] is False
    with_card = await subscribe(api, customer_id, auto_collect=True, card_id="9")
    assert with_card["auto_collect"] is True


async def test_unknown_keys_are_ignored_and_counted(api: Api, simulator: RunningSimulator) -> None:
    await subscribe(api, await ready(api, simulator), next_billing_at="2027-01-01", plan={"plan_id": "7"})
    assert simulator.statistics.unknown_keys == {"POST /subscriptions": {"next_billing_at": 1, "plan.plan_id": 1}}


async def test_a_row_shows_our_key_and_the_custom_fields(api: Api, simulator: RunningSimulator) -> None:
    await subscribe(api, await ready(api, simulator), custom_fields=[{"label": "External ID", "value": KEY}])
    (row,) = (await api.get("/subscriptions")).json()["subscriptions"]
    assert (row["reference_id"], row["subscription_number"]) == (KEY, "SUB-00001")
    assert (row["customer_name"], row["plan_code"], row["amount"]) == ("Vlei Bakery", "home-50", PRICE)
    assert row["custom_field_hash"] == {"cf_external_id": KEY}
    assert row["custom_fields"][0]["value"] == KEY
    assert not {"plan", "customer", "child_invoice_id"} & set(row)


async def test_the_customer_is_shown_as_it_is_now(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    subscription = await subscribe(api, customer_id)
    await api.put(f"/customers/{customer_id}", {"display_name": "Renamed"})
    assert (await read(api, subscription))["customer"]["display_name"] == "Renamed"


async def test_a_missing_subscription_is_404_1002_everywhere(api: Api, code_of: CodeOf) -> None:
    where = "/subscriptions/1"
    for method, path in (
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/reactivate"),
        ("POST", "/postpone"),
        ("POST", "/reference"),
        ("POST", "/customfields"),
        ("GET", "/scheduledchanges"),
        ("GET", "/recentactivities"),
    ):
        assert code_of(await api.send(method, where + path, {})) == (404, 1002)


async def test_a_deleted_subscription_is_gone_and_its_invoice_stays(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    where = f"/subscriptions/{subscription['subscription_id']}"
    assert (await api.send("DELETE", where)).json() == {"code": 0, "message": "The subscription has been deleted."}
    assert code_of(await api.send("DELETE", where)) == (404, 1002)
    assert len(invoices(simulator)) == 1
    assert len(simulator.simulator.books.activities) == 0


async def test_new_subscriptions_show_in_lists_only_after_the_lag(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.list_lag_seconds = 20
    subscription = await subscribe(api, await ready(api, simulator))
    assert await read(api, subscription) == subscription
    assert (await api.get("/subscriptions", **ALL)).json()["subscriptions"] == []
    assert (await api.get("/invoices")).json()["invoices"] == []
    simulator.clock.advance(20)
    assert len((await api.get("/subscriptions", reference_contains=KEY, **ALL)).json()["subscriptions"]) == 1


async def test_a_create_whose_reply_is_lost_is_made_and_counted(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    simulator.faults.plant("done_then_lost", "POST", "/subscriptions", body_contains=KEY)
    with pytest.raises(httpx.RemoteProtocolError):
        await api.post("/subscriptions", body(customer_id))
    assert simulator.statistics.creates["subscriptions"]["reference_id"] == {KEY: 1}
    assert len(invoices(simulator)) == 1
    simulator.faults.plant("server_error_before", "POST", "/subscriptions/*/cancel")
    (row,) = (await api.get("/subscriptions", reference_contains=KEY, **ALL)).json()["subscriptions"]
    assert (await api.post(f"/subscriptions/{row['subscription_id']}/cancel")).status_code == 500
    assert (await read(api, row))["status"] == "live"


async def test_pages_slip_as_those_of_customers_do(api: Api, simulator: RunningSimulator) -> None:
    for number in range(4):
        simulator.simulator.plant_subscription(customer_id="1", reference_id=f"svc-{number}")
    simulator.faults.plant("row_skipped", "GET", "/subscriptions", times=None)
    pages = [(await api.get("/subscriptions", page=page, per_page=2)).json()["subscriptions"] for page in (1, 2)]
    assert [[row["reference_id"] for row in page] for page in pages] == [["svc-0", "svc-1"], ["svc-3"]]


async def test_an_update_at_once_raises_a_new_invoice(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    old = await subscribe(api, customer_id)
    where = f"/subscriptions/{old['subscription_id']}"
    reply = await api.put(where, body(customer_id, plan={"quantity": 2}))
    assert (reply.status_code, reply.json()["message"]) == (200, "Subscription has been updated successfully.")
    new = reply.json()["subscription"]
    assert (new["amount"], new["plan"]["quantity"]) == (1598, 2)
    assert new["child_invoice_id"] not in {"", old["child_invoice_id"]}
    assert new["next_billing_at"] == old["next_billing_at"]
    assert [invoice["total"] for invoice in invoices(simulator)] == [PRICE, 1598]


async def test_an_update_without_a_change_of_money_raises_nothing(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    old = await subscribe(api, customer_id)
    fields = [{"label": "External ID", "value": "e"}]
    sent = body(customer_id, reference_id="svc-2", custom_fields=fields, plan={"price": PRICE})
    new = (await api.put(f"/subscriptions/{old['subscription_id']}", sent)).json()["subscription"]
    assert (new["reference_id"], new["custom_fields"][0]["value"]) == ("svc-2", "e")
    assert new["child_invoice_id"] == old["child_invoice_id"]
    assert len(invoices(simulator)) == 1


@pytest.mark.parametrize(("keeps", "price"), [(False, PRICE), (True, 649)])
async def test_a_price_that_an_update_omits_is_the_plans_again_unless_it_stays(
    api: Api, simulator: RunningSimulator, keeps: bool, price: int
) -> None:
    simulator.settings.subscriptions.keep_what_an_update_omits = keeps
    customer_id = await ready(api, simulator)
    old = await subscribe(api, customer_id, plan={"price": 649})
    new = (await api.put(f"/subscriptions/{old['subscription_id']}", body(customer_id))).json()["subscription"]
    assert new["amount"] == price


async def test_another_interval_begins_a_new_term(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    simulator.simulator.plant_plan(plan_code="yearly", recurring_price=7990, interval_unit="years")
    old = await subscribe(api, customer_id, starts_at="2026-11-10")
    sent = body(customer_id, plan={"plan_code": "yearly"})
    new = (await api.put(f"/subscriptions/{old['subscription_id']}", sent)).json()["subscription"]
    assert (new["current_term_starts_at"], new["next_billing_at"]) == ("2026-11-20", "2027-11-20")
    assert (new["interval_unit"], new["plan_code"], new["plan_name"]) == ("years", "yearly", "yearly")
    assert [invoice["total"] for invoice in invoices(simulator)] == [7990]


async def test_a_future_one_is_changed_without_an_invoice(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    old = await subscribe(api, customer_id, starts_at="2026-12-01")
    where = f"/subscriptions/{old['subscription_id']}"
    for end_of_term, price in ((False, 649), (True, 599)):
        sent = body(customer_id, end_of_term=end_of_term, plan={"price": price})
        new = (await api.put(where, sent)).json()["subscription"]
        assert (new["amount"], new["status"], new["end_of_term"]) == (price, "future", False)
    assert invoices(simulator) == []


async def test_an_inactive_plan_can_be_kept_and_not_taken(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    simulator.simulator.plant_plan(plan_code="other", status="inactive")
    old = await subscribe(api, customer_id)
    await api.post("/plans/home-50/markasinactive")
    where = f"/subscriptions/{old['subscription_id']}"
    assert (await api.put(where, body(customer_id, plan={"price": 649}))).status_code == 200
    assert (await api.put(where, body(customer_id, plan={"plan_code": "other"}))).status_code == 400


async def test_an_update_names_plan_and_customer_and_changes_neither_when_wrong(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    customer_id = await ready(api, simulator)
    other = await api.create("Other")
    old = await subscribe(api, customer_id)
    where = f"/subscriptions/{old['subscription_id']}"
    whole = body(customer_id)
    for missing in ("customer_id", "plan"):
        assert code_of(await api.put(where, {k: v for k, v in whole.items() if k != missing})) == (400, 4)
    assert code_of(await api.put(where, body(other))) == (400, 3004)
    assert code_of(await api.put(where, body(customer_id, plan={"plan_code": "none"}))) == (400, 101002)
    assert code_of(await api.put(where, body(customer_id, end_of_term="true"))) == (400, 4)
    assert (await api.put(where, body(customer_id, auto_collect=True))).status_code == 400
    assert await read(api, old) == old


async def test_a_change_at_the_end_of_the_term_is_scheduled(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    old = await subscribe(api, customer_id)
    where = f"/subscriptions/{old['subscription_id']}"
    now = (await api.put(where, body(customer_id, end_of_term=True, plan={"price": 849}))).json()["subscription"]
    assert (now["amount"], now["plan"]["price"], now["end_of_term"]) == (PRICE, PRICE, True)
    scheduled = (await api.get(f"{where}/scheduledchanges")).json()["subscription"]
    assert (scheduled["subscription_id"], scheduled["amount"]) == (old["subscription_id"], 849)
    assert (scheduled["plan"]["price"], scheduled["plan"]["plan_code"]) == (849, "home-50")
    await api.put(where, body(customer_id, end_of_term=True, plan={"price": 899}))
    assert (await api.get(f"{where}/scheduledchanges")).json()["subscription"]["amount"] == 899
    assert len(invoices(simulator)) == 1
    await api.put(where, body(customer_id))
    assert (await api.get(f"{where}/scheduledchanges")).json()["subscription"] == {}
    assert (await read(api, old))["end_of_term"] is False


@pytest.mark.parametrize(("answer", "status"), [("empty", 200), ("refused", 400)])
async def test_nothing_scheduled_is_told_in_either_way(
    api: Api, simulator: RunningSimulator, answer: Any, status: int
) -> None:
    simulator.settings.subscriptions.no_scheduled_changes = answer
    subscription = await subscribe(api, await ready(api, simulator))
    reply = await api.get(f"/subscriptions/{subscription['subscription_id']}/scheduledchanges")
    assert reply.status_code == status
    assert reply.json().get("subscription", {}) == {}


async def cancel(api: Api, subscription: dict[str, Any], sent: Any = None, **parameters: str) -> httpx.Response:
    return await api.send("POST", f"/subscriptions/{subscription['subscription_id']}/cancel", sent, **parameters)


async def test_a_cancellation_at_once(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    reply = await cancel(api, subscription, cancel_at_end="false")
    assert (reply.status_code, reply.json()["message"]) == (200, "Your subscription has been canceled.")
    cancelled = reply.json()["subscription"]
    assert (cancelled["status"], cancelled["cancelled_at"]) == ("cancelled", "2026-11-20")
    assert "next_billing_at" not in cancelled
    assert (await api.get("/subscriptions")).json()["subscriptions"] == []
    this_month = await api.get("/subscriptions", filter_by="SubscriptionStatus.CANCELLED_THIS_MONTH")
    assert len(this_month.json()["subscriptions"]) == 1


async def test_a_cancellation_at_the_end_and_back(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    reply = await cancel(api, subscription, cancel_at_end="true")
    assert reply.json()["message"] == "Your subscription will be canceled at the end of this term."
    ending = reply.json()["subscription"]
    assert (ending["status"], ending["current_term_ends_at"]) == ("non_renewing", "2026-12-20")
    assert (ending["cancelled_at"], "next_billing_at" in ending) == ("", False)
    back = await api.post(f"/subscriptions/{subscription['subscription_id']}/reactivate")
    assert back.json()["message"] == "Subscription has been reactivated successfully."
    assert (back.json()["subscription"]["status"], back.json()["subscription"]["next_billing_at"]) == (
        "live",
        "2026-12-20",
    )
    await cancel(api, subscription, cancel_at_end="true")
    assert (await cancel(api, subscription, cancel_at_end="false")).json()["subscription"]["status"] == "cancelled"


async def test_one_on_trial_comes_back_to_its_trial(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator, trial_period=7))
    await cancel(api, subscription, cancel_at_end="true")
    back = await api.post(f"/subscriptions/{subscription['subscription_id']}/reactivate")
    assert (back.json()["subscription"]["status"], back.json()["subscription"]["next_billing_at"]) == (
        "trial",
        "2026-11-27",
    )


@pytest.mark.parametrize("at_end", ["true", "false"])
async def test_a_future_one_is_cancelled_at_once_always(api: Api, simulator: RunningSimulator, at_end: str) -> None:
    subscription = await subscribe(api, await ready(api, simulator), starts_at="2026-12-01")
    assert (await cancel(api, subscription, cancel_at_end=at_end)).json()["subscription"]["status"] == "cancelled"
    assert invoices(simulator) == []


@pytest.mark.parametrize("at_end", ["true", "false"])
async def test_a_second_cancellation_is_refused_unless_that_is_switched_off(
    api: Api, simulator: RunningSimulator, at_end: str
) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    await cancel(api, subscription, cancel_at_end=at_end)
    once = await read(api, subscription)
    assert (await cancel(api, subscription, cancel_at_end=at_end)).status_code == 400
    simulator.settings.subscriptions.refuse_second_cancel = False
    simulator.clock.advance(60)
    assert (await cancel(api, subscription, cancel_at_end=at_end)).json()["subscription"] == once


async def test_the_parameter_is_true_or_false(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    assert code_of(await cancel(api, subscription, cancel_at_end="yes")) == (400, 2)
    assert (await read(api, subscription))["status"] == "live"


@pytest.mark.parametrize(("default", "status"), [(False, "cancelled"), (True, "non_renewing")])
async def test_what_a_cancellation_without_the_parameter_means_can_be_switched(
    api: Api, simulator: RunningSimulator, default: bool, status: str
) -> None:
    simulator.settings.subscriptions.cancel_at_end_by_default = default
    subscription = await subscribe(api, await ready(api, simulator))
    assert (await cancel(api, subscription)).json()["subscription"]["status"] == status


@pytest.mark.parametrize(
    ("feature", "http_status", "status"),
    [
        (Undocumented.ON, 200, "non_renewing"),
        (Undocumented.IGNORED, 200, "cancelled"),
        (Undocumented.BAD_REQUEST, 400, "live"),
        (Undocumented.NOT_FOUND, 404, "live"),
    ],
)
async def test_the_body_form_of_a_cancellation_can_be_switched(
    api: Api, simulator: RunningSimulator, feature: Undocumented, http_status: int, status: str
) -> None:
    simulator.settings.undocumented.cancel_at_end_in_body = feature
    subscription = await subscribe(api, await ready(api, simulator))
    assert (await cancel(api, subscription, {"cancel_at_end": True})).status_code == http_status
    assert (await read(api, subscription))["status"] == status
    ignored = {"POST /subscriptions/{subscription_id}/cancel": {"cancel_at_end": 1}}
    assert simulator.statistics.unknown_keys == (ignored if feature is Undocumented.IGNORED else {})


async def test_the_parameter_wins_over_the_body(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.undocumented.cancel_at_end_in_body = Undocumented.ON
    subscription = await subscribe(api, await ready(api, simulator))
    reply = await cancel(api, subscription, {"cancel_at_end": True}, cancel_at_end="false")
    assert reply.json()["subscription"]["status"] == "cancelled"


async def test_only_a_non_renewing_one_is_reactivated(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    live = await subscribe(api, customer_id)
    over = await subscribe(api, customer_id)
    await cancel(api, over, cancel_at_end="false")
    for subscription in (live, over):
        where = f"/subscriptions/{subscription['subscription_id']}/reactivate"
        assert (await api.post(where)).status_code == 400
    assert (await read(api, over))["status"] == "cancelled"


async def test_an_ended_one_is_not_changed(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    subscription = await subscribe(api, customer_id)
    await cancel(api, subscription, cancel_at_end="false")
    where = f"/subscriptions/{subscription['subscription_id']}"
    assert (await api.put(where, body(customer_id, plan={"price": 1}))).status_code == 400
    assert (await api.post(f"{where}/postpone", {"renewal_at": "2027-02-01"})).status_code == 400
    assert len(invoices(simulator)) == 1


async def test_the_reference_is_set_without_billing(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    subscription = await subscribe(api, await ready(api, simulator), reference_id="")
    where = f"/subscriptions/{subscription['subscription_id']}/reference"
    reply = await api.post(where, {"reference_id": "svc-9"})
    assert reply.json()["message"] == "Subscription has been updated successfully."
    assert reply.json()["subscription"]["reference_id"] == "svc-9"
    found = await api.get("/subscriptions", reference_contains="vc-9")
    assert [row["reference_id"] for row in found.json()["subscriptions"]] == ["svc-9"]
    assert code_of(await api.post(where, {})) == (400, 4)
    assert len(invoices(simulator)) == 1


async def test_custom_fields_are_set_without_billing(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    fields = [{"label": "External ID", "value": "1"}]
    subscription = await subscribe(api, await ready(api, simulator), custom_fields=fields)
    where = f"/subscriptions/{subscription['subscription_id']}/customfields"
    reply = await api.post(where, {"custom_fields": [{"label": "Account Number", "value": "CT-1"}]})
    assert reply.json()["message"] == "Custom Fields Updated Successfully."
    assert (reply.json()["data"]["label"], reply.json()["data"]["value"]) == ("Account Number", "CT-1")
    assert [row["value"] for row in (await read(api, subscription))["custom_fields"]] == ["1", "CT-1"]
    unknown = {"custom_fields": [{"label": "Shoe Size", "value": "44"}]}
    assert code_of(await api.post(where, unknown)) == (400, 120129)
    assert code_of(await api.post(where, {})) == (400, 4)
    assert len(invoices(simulator)) == 1


async def test_a_renewal_is_postponed_and_never_brought_forward(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    customer_id = await ready(api, simulator)
    subscription = await subscribe(api, customer_id)
    where = f"/subscriptions/{subscription['subscription_id']}/postpone"
    for day in ("2026-12-19", "2026-12-20"):
        assert (await api.post(where, {"renewal_at": day})).status_code == 400
    assert code_of(await api.post(where, {"renewal_at": "soon"})) == (400, 4)
    assert code_of(await api.post(where, {})) == (400, 4)
    reply = await api.post(where, {"renewal_at": "2026-12-31"})
    assert reply.json()["message"] == "Billing date of the subscription has been changed."
    moved = reply.json()["subscription"]
    assert moved["current_term_ends_at"] == moved["next_billing_at"] == "2026-12-31"
    later = await subscribe(api, customer_id, starts_at="2027-01-01")
    where = f"/subscriptions/{later['subscription_id']}/postpone"
    assert (await api.post(where, {"renewal_at": "2027-02-01"})).status_code == 400


async def test_activities_are_told_newest_first(api: Api, simulator: RunningSimulator) -> None:
    subscription = await subscribe(api, await ready(api, simulator))
    await cancel(api, subscription, cancel_at_end="false")
    reply = await api.get(f"/subscriptions/{subscription['subscription_id']}/recentactivities")
    activities = reply.json()["activities"]
    assert {row["activity_time"] for row in activities} == {"2026-11-20T12:00:00+0200"}
    assert [row["description"] for row in activities] == [
        "Subscription cancelled",
        f"Invoice created - {invoices(simulator)[0]['invoice_number']}",
        "Subscription activated",
        "Subscription created",
    ]
    assert set(activities[0]) == {"activity_id", "description", "activity_time", "commented_by"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"next_billing_at": "soon"},
        {"next_billing_at": "20261201"},
        {"current_term_starts_at": "20261101"},
        {"interval": "0"},
        {"interval": "x"},
        {"interval_unit": "moons"},
    ],
)
async def test_a_planted_one_whose_terms_make_no_sense_is_refused(api: Api, wrong: dict[str, str]) -> None:
    record = {"customer_id": "1", "next_billing_at": "2026-12-01", **wrong}
    assert (await api.control("POST", "/records", {"subscriptions": [record]})).status_code == 400
    assert (await api.get("/subscriptions")).json()["subscriptions"] == []


async def test_one_planted_without_dates_can_be_changed(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await ready(api, simulator)
    subscription_id = simulator.simulator.plant_subscription(customer_id=customer_id)
    reply = await api.put(f"/subscriptions/{subscription_id}", body(customer_id))
    assert reply.json()["subscription"]["amount"] == PRICE
    assert [invoice["total"] for invoice in invoices(simulator)] == [PRICE]
