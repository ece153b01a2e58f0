"""Products, plans and subscriptions held to Zoho's own specification files."""

from typing import Any

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.plans import CREATE_FIELDS as PLAN_CREATE_FIELDS
from outbox.simulator.plans import UPDATE_FIELDS as PLAN_UPDATE_FIELDS
from outbox.simulator.products import FIELDS as PRODUCT_FIELDS
from outbox.simulator.routes import ROUTES
from outbox.simulator.subscribed_plans import CREATE_FIELDS as SUBSCRIBED_CREATE_FIELDS
from outbox.simulator.subscribed_plans import UPDATE_FIELDS as SUBSCRIBED_UPDATE_FIELDS
from outbox.simulator.subscribing import CREATE_FIELDS
from outbox.simulator.subscription_changes import UPDATE_FIELDS
from tests.zoho_specifications import specification

from .conftest import Api
from .subscribing import until

pytestmark = pytest.mark.anyio

ONE = "/subscriptions/{subscription_id}"

LEFT_OUT = {
    ("POST", f"{ONE}/buyonetimeaddon"),
    ("POST", f"{ONE}/coupons/{{coupon_code}}"),
    ("DELETE", f"{ONE}/coupons"),
    ("POST", f"{ONE}/card"),
    ("DELETE", f"{ONE}/card"),
    ("POST", f"{ONE}/charge"),
    ("POST", f"{ONE}/contactpersons"),
    ("POST", f"{ONE}/lineitems/{{plan_or_addon_code}}"),
    ("POST", f"{ONE}/autocollect"),
    ("POST", f"{ONE}/salesperson"),
    ("POST", f"{ONE}/notes"),
    ("DELETE", f"{ONE}/notes/{{note_id}}"),
}
"""Operations of subscription.yml that the project does not use."""

PRODUCT: dict[str, Any] = {
    "name": "Fibre",
    "description": "Lines",
    "email_ids": "a@example.com",
    "redirect_url": "https://example.com/done",
}

PLAN: dict[str, Any] = {
    "plan_code": "home-50",
    "name": "Home 50",
    "recurring_price": 799.5,
    "unit": "line",
    "interval": 1,
    "interval_unit": "months",
    "billing_cycles": -1,
    "trial_period": 0,
    "setup_fee": 199,
    "tags": [{"tag_id": 460000000054182, "tag_option_id": 460000000054280}],
    "custom_fields": [{"label": "External ID", "value": "pkg-1"}],
    "product_type": "service",
    "is_taxable": "true",
    "description": "50 Mbit/s",
    "can_charge_setup_fee_immediately": False,
}

SUBSCRIBED: dict[str, Any] = {
    "plan_code": "home-50",
    "plan_description": "50 Mbit/s, flat 4",
    "price": 749,
    "setup_fee": 0,
    "tags": [{"tag_id": 460000000054182, "tag_option_id": 460000000054280}],
    "quantity": 1,
    "exclude_trial": True,
    "exclude_setup_fee": True,
    "billing_cycles": 12,
    "trial_days": 0,
}

LEAST: dict[str, Any] = {"auto_collect": False, "plan": {"plan_code": "home-50"}}

WHOLE: dict[str, Any] = {
    **LEAST,
    "plan": SUBSCRIBED,
    "reference_id": "svc-1",
    "starts_at": "2026-12-01",
    "payment_terms": 7,
    "payment_terms_label": "Net 7",
    "exchange_rate": 1,
    "addons": [],
    "custom_fields": [{"label": "External ID", "value": "svc-1"}],
    "salesperson_name": "Thandi",
    "create_backdated_invoice": False,
    "add_to_unbilled_charges": False,
    "can_charge_setup_fee_immediately": False,
}


async def held(api: Api, method: str, template: str, ids: dict[str, str], body: Any = None, **query: str) -> Any:
    """Send one request, hold it and its reply to the files, and give the reply's JSON."""
    path = template.format(**ids)
    if body is not None:
        assert specification.request_faults(method, template, body) == []
    reply = await api.send(method, path, body, **query)
    assert specification.reply_faults(method, template, reply.status_code, reply.json()) == []
    return reply.json()


def test_every_operation_that_is_used_is_served() -> None:
    served = {(route.method, route.template) for route in ROUTES}
    specified = {
        key for file in ("subscription.yml", "plans.yml", "products.yml") for key in specification.operations(file)
    }
    assert specified - served == LEFT_OUT


def test_known_body_keys_are_those_of_the_files() -> None:
    assert specification.request_properties("POST", "/products") == PRODUCT_FIELDS
    assert specification.request_properties("PUT", "/products/{product_id}") == PRODUCT_FIELDS
    assert specification.request_properties("POST", "/plans") == PLAN_CREATE_FIELDS
    assert specification.request_properties("PUT", "/plans/{plan_code}") == PLAN_UPDATE_FIELDS
    assert specification.request_properties("POST", "/subscriptions") == CREATE_FIELDS
    assert specification.request_properties("PUT", ONE) == UPDATE_FIELDS


@pytest.mark.parametrize(
    ("schema", "known"),
    [
        ("create-a-subscription-request", SUBSCRIBED_CREATE_FIELDS),
        ("update-a-subscription-request", SUBSCRIBED_UPDATE_FIELDS),
    ],
)
def test_known_keys_of_the_plan_are_those_of_the_file(schema: str, known: frozenset[str]) -> None:
    schemas = specification.document("subscription.yml")["components"]["schemas"]
    assert set(schemas[schema]["properties"]["plan"]["properties"]) == known


@pytest.mark.parametrize(
    "body",
    [
        LEAST,
        {**LEAST, "customer_id": "1", "customer": {"display_name": "A"}},
        {**LEAST, "customer_id": "1", "plan": {}},
        {**LEAST, "customer_id": "1", "plan_code": "home-50"},
        {**LEAST, "customer_id": "1", "plan": {"plan_code": "home-50", "plan_id": "1"}},
        {**LEAST, "customer_id": "1", "reference_id": 5},
        {"customer_id": "1"},
    ],
)
def test_the_judge_finds_faults_in_requests(body: dict[str, Any]) -> None:
    assert specification.request_faults("POST", "/subscriptions", body) != []


@pytest.mark.parametrize("customer", [{"customer_id": "1"}, {"customer": {"display_name": "A"}}])
def test_the_judge_takes_an_old_customer_or_a_new_one(customer: dict[str, Any]) -> None:
    assert specification.request_faults("POST", "/subscriptions", LEAST | customer) == []


async def test_products_and_plans_fit_the_files(api: Api, simulator: RunningSimulator) -> None:
    made = await held(api, "POST", "/products", {}, PRODUCT)
    ids = {"product_id": made["product"]["product_id"], "plan_code": "home-50"}
    product = "/products/{product_id}"
    await held(api, "PUT", product, ids, PRODUCT)
    await held(api, "GET", product, ids)
    plan = "/plans/{plan_code}"
    await held(api, "POST", "/plans", {}, {**PLAN, "product_id": ids["product_id"]})
    await held(api, "PUT", plan, ids, PLAN)
    await held(api, "GET", plan, ids)
    for action in ("markasinactive", "markasactive"):
        await held(api, "POST", f"{plan}/{action}", ids)
        await held(api, "POST", f"{product}/{action}", ids)
    assert (await held(api, "GET", "/plans", {}))["plans"]
    assert (await held(api, "GET", "/products", {}))["products"]
    await held(api, "DELETE", plan, ids)
    await held(api, "DELETE", product, ids)
    assert simulator.statistics.unknown_keys == {}


@pytest.mark.parametrize("body", [LEAST, WHOLE], ids=["least", "whole"])
async def test_the_life_of_a_subscription_fits_the_file(
    api: Api, simulator: RunningSimulator, body: dict[str, Any]
) -> None:
    simulator.simulator.plant_plan(plan_code="home-50", name="Home 50", recurring_price=799)
    customer_id = await api.create("Vlei Bakery", email="vlei@example.com", billing_address={"street": "1 Long Road"})
    made = await held(api, "POST", "/subscriptions", {}, {**body, "customer_id": customer_id})
    ids = {"subscription_id": made["subscription"]["subscription_id"]}
    everything = {"filter_by": "SubscriptionStatus.All"}
    change = {name: value for name, value in body.items() if name in UPDATE_FIELDS} | {"customer_id": customer_id}
    await held(api, "PUT", ONE, ids, change)
    await until(api, simulator, "2026-12-01")
    await held(api, "GET", ONE, ids)
    assert (await held(api, "GET", "/subscriptions", {}, **everything))["subscriptions"]
    for end_of_term in (True, False):
        plan = {**body["plan"], "price": 849.5}
        await held(api, "PUT", ONE, ids, {**change, "plan": plan, "end_of_term": end_of_term})
        await held(api, "GET", f"{ONE}/scheduledchanges", ids)
    await held(api, "POST", f"{ONE}/reference", ids, {"reference_id": "svc-2"})
    fields = {"custom_fields": [{"label": "Account Number", "value": "CT-1"}]}
    await held(api, "POST", f"{ONE}/customfields", ids, fields)
    await held(api, "POST", f"{ONE}/postpone", ids, {"renewal_at": "2027-01-15"})
    await held(api, "POST", f"{ONE}/cancel", ids, cancel_at_end="true")
    await held(api, "POST", f"{ONE}/reactivate", ids)
    await held(api, "POST", f"{ONE}/cancel", ids, cancel_at_end="false")
    await held(api, "GET", ONE, ids)
    assert (await held(api, "GET", f"{ONE}/recentactivities", ids))["activities"]
    await held(api, "DELETE", ONE, ids)
    assert simulator.statistics.unknown_keys == {}
