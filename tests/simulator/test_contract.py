"""The simulator held to Zoho's own specification files."""

from typing import Any

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.customers import CREATE_FIELDS, UPDATE_FIELDS
from outbox.simulator.routes import ROUTES
from tests.zoho_specifications import specification

from .conftest import Api
from .test_customers import WHOLE

pytestmark = pytest.mark.anyio

NOT_IN_THE_FILES = {("GET", "/organizations")}
"""Used by every client and specified nowhere (API sheet 2.0)."""

EVERY_FIELD: dict[str, Any] = {
    **WHOLE,
    "salutation": "Ms",
    "mobile": "+27 82 000 0000",
    "department": "Baking",
    "designation": "Owner",
    "website": "bakery.example.com",
    "shipping_address": {"attention": "Naledi", "city": "Cape Town", "zip": "8001", "state_code": "WC"},
    "payment_terms": 15,
    "payment_terms_label": "Net 15",
    "currency_code": "ZAR",
    "ach_supported": False,
    "notes": "A note",
    "is_portal_enabled": True,
    "is_taxable": "true",
    "tags": [{"tag_id": 460000000054182, "tag_option_id": 460000000054280}],
    "default_templates": {"invoice_template_id": "90300000311340"},
}


def assert_held(method: str, template: str, status: int, body: object) -> None:
    assert specification.reply_faults(method, template, status, body) == []


def test_every_route_stands_in_the_files() -> None:
    specified = {key for file in specification.FILES for key in specification.operations(file)}
    assert {(route.method, route.template) for route in ROUTES} - specified == NOT_IN_THE_FILES


def test_every_customer_operation_of_the_files_is_served() -> None:
    served = {(route.method, route.template) for route in ROUTES}
    assert set(specification.operations("customers.yml")) <= served


def test_scopes_are_those_of_the_files() -> None:
    for route in ROUTES:
        if (route.method, route.template) in NOT_IN_THE_FILES:
            continue
        for file in specification.FILES:
            path = specification.document(file)["paths"].get(route.template)
            if path is not None:
                assert path[route.method.lower()]["security"] == [{"Zoho_Auth": [f"ZohoSubscriptions.{route.scope}"]}]


def test_known_body_keys_are_those_of_the_files() -> None:
    assert specification.request_properties("POST", "/customers") == CREATE_FIELDS
    assert specification.request_properties("PUT", "/customers/{customer_id}") == UPDATE_FIELDS


async def test_what_the_simulator_accepts_and_answers_fits_the_files(api: Api, simulator: RunningSimulator) -> None:
    one = "/customers/{customer_id}"
    for body in ({"display_name": "Least"}, WHOLE, EVERY_FIELD):
        assert specification.request_faults("POST", "/customers", body) == []
        created = await api.post("/customers", body)
        assert_held("POST", "/customers", created.status_code, created.json())
        customer_id = created.json()["customer"]["customer_id"]
        change = {name: value for name, value in body.items() if name in UPDATE_FIELDS}
        assert specification.request_faults("PUT", one, change) == []
        for method, sent in (("GET", None), ("PUT", change)):
            reply = await api.send(method, f"/customers/{customer_id}", sent)
            assert_held(method, one, reply.status_code, reply.json())
    simulator.simulator.plant_subscription(customer_id="1", auto_collect=True)
    simulator.simulator.plant_transaction(customer_id="1", amount="20.50")
    for path in ("/customers", "/subscriptions", "/transactions"):
        listed = await api.get(path)
        assert listed.json()[path[1:]]
        assert_held("GET", path, listed.status_code, listed.json())
    for action in ("markasinactive", "markasactive"):
        done = await api.post(f"/customers/{customer_id}/{action}")
        assert_held("POST", f"{one}/{action}", done.status_code, done.json())
    deleted = await api.send("DELETE", f"/customers/{customer_id}")
    assert_held("DELETE", one, deleted.status_code, deleted.json())
    assert simulator.statistics.unknown_keys == {}


async def test_a_subscription_read_fits_the_files(api: Api, simulator: RunningSimulator) -> None:
    subscription_id = simulator.simulator.plant_subscription(customer_id="1")
    reply = await api.get(f"/subscriptions/{subscription_id}")
    assert_held("GET", "/subscriptions/{subscription_id}", reply.status_code, reply.json())


async def test_a_crm_look_up_fits_the_files(api: Api, simulator: RunningSimulator) -> None:
    simulator.simulator.plant_customer(display_name="A", zcrm_account_id="903")
    reply = await api.get("/customers/reference/903")
    assert_held("GET", "/customers/reference/{reference_id}", reply.status_code, reply.json())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"display_name": "A", "external_id": "1"},
        {"display_name": 5},
        {"display_name": "A", "billing_address": {"steet": "1 Long Road"}},
        {"display_name": "A", "custom_fields": [{"name": "External ID", "value": "1"}]},
        {"display_name": "A", "payment_terms": "15"},
    ],
)
def test_the_judge_finds_faults_in_requests(body: dict[str, Any]) -> None:
    assert specification.request_faults("POST", "/customers", body) != []


def test_the_judge_finds_faults_in_replies() -> None:
    assert specification.reply_faults("GET", "/customers", 200, {"customers": {}}) != []
    wrong = {"customer": {"outstanding": "0.00"}}
    assert specification.reply_faults("GET", "/customers/{customer_id}", 200, wrong) != []


def test_every_patch_finds_what_it_mends_once() -> None:
    for file in specification.FILES:
        patched = specification.document(file)
        for patch in specification.PATCHES:
            if patch.file == file:
                with pytest.raises(LookupError):
                    patch.apply(patched)
