"""The simulator held to Zoho's own specification files."""

from typing import Any

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.customers import CREATE_FIELDS, UPDATE_FIELDS
from outbox.simulator.invoice_bodies import INVOICE_FIELDS, LINE_FIELDS, LINE_TEXT_FIELDS
from outbox.simulator.invoice_bodies import TEXT_FIELDS as INVOICE_TEXT_FIELDS
from outbox.simulator.payments import PAYMENT_FIELDS
from outbox.simulator.refunds import REFUND_FIELDS
from outbox.simulator.routes import ROUTES
from tests.zoho_specifications import specification

from .conftest import Api, payment_body
from .test_customers import WHOLE

pytestmark = pytest.mark.anyio

NOT_IN_THE_FILES = {
    ("GET", "/organizations"),
    ("PUT", "/customers"),
    ("GET", "/payments"),
    ("GET", "/invoices/{invoice_id}/payments"),
}
"""Used by clients and specified nowhere (API sheet 2.0, 2.4 and 2.5)."""

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

EVERY_INVOICE_FIELD: dict[str, Any] = {
    **dict.fromkeys(INVOICE_TEXT_FIELDS, "1"),
    "invoice_number": "CT-1",
    "discount_type": "item_level",
    "date": "2026-11-20",
    "due_date": "2026-12-05",
    "payment_terms": 15,
    "discount": 0,
    "is_discount_before_tax": True,
    "is_inclusive_tax": True,
    "allow_partial_payments": True,
    "exchange_rate": 1,
    "adjustment": 0.01,
    "shipping_charge": "10.00",
    "contact_persons": [{"contactperson_id": "1"}],
    "payment_options": {"payment_gateways": [{"configured": True, "gateway_name": "paypal"}]},
    "custom_fields": [{"label": "External ID", "value": "1"}],
    "invoice_items": [
        {
            **dict.fromkeys(set(LINE_TEXT_FIELDS) - {"product_id"}, "1"),
            "time_entry_ids": [],
            "item_order": 1,
            "price": "115.00",
            "quantity": 2,
            "discount": 0,
            "tax_percentage": 15,
            "item_total": 230,
        }
    ],
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


def test_known_keys_of_invoices_and_payments_are_those_of_the_files() -> None:
    schemas = specification.document("invoices.yml")["components"]["schemas"]
    for method, path, schema in (
        ("POST", "/invoices", "create-an-invoice-request"),
        ("PUT", "/invoices/{invoice_id}", "update-an-invoice-request"),
    ):
        assert specification.request_properties(method, path) == INVOICE_FIELDS
        assert set(schemas[schema]["properties"]["invoice_items"]["items"]["properties"]) == LINE_FIELDS
    for method, path in (("POST", "/payments"), ("PUT", "/payments/{payment_id}")):
        assert specification.request_properties(method, path) == PAYMENT_FIELDS
    assert specification.request_properties("POST", "/payments/{payment_id}/refunds") == REFUND_FIELDS


def test_every_payment_operation_of_the_files_is_served() -> None:
    served = {(route.method, route.template) for route in ROUTES}
    assert set(specification.operations("payments.yml")) <= served


async def test_invoices_accepted_and_answered_fit_the_files(api: Api, simulator: RunningSimulator) -> None:
    one = "/invoices/{invoice_id}"
    customer_id = await api.create("A", email="a@example.com", billing_address={"street": "1 Long Road"})
    tax_id = (await api.get("/settings/taxes")).json()["taxes"][0]["tax_id"]
    least = {
        "customer_id": customer_id,
        "date": "2026-11-20",
        "invoice_items": [{"name": "A", "price": 5, "quantity": 1}],
    }
    whole = {**EVERY_INVOICE_FIELD, "customer_id": customer_id}
    whole["invoice_items"] = [{**whole["invoice_items"][0], "tax_id": tax_id}]
    for body in (least, whole):
        assert specification.request_faults("POST", "/invoices", body) == []
        created = await api.post("/invoices?ignore_auto_number_generation=true" if body is whole else "/invoices", body)
        assert_held("POST", "/invoices", created.status_code, created.json())
        invoice_id = created.json()["invoice"]["invoice_id"]
        path = f"/invoices/{invoice_id}"
        assert specification.request_faults("PUT", one, body) == []
        changed = await api.put(path, body)
        assert_held("PUT", one, changed.status_code, changed.json())
        opened = await api.post(f"{path}/converttoopen")
        assert_held("POST", f"{one}/converttoopen", opened.status_code, opened.json())
        await api.pay(customer_id, 1, {invoice_id: 1}, reference_number="p-1")
        read = await api.get(path)
        assert_held("GET", one, read.status_code, read.json())
    fields = {"custom_fields": [{"label": "External ID", "value": "2"}]}
    assert specification.request_faults("POST", f"{one}/customfields", fields) == []
    shown = await api.post(f"{path}/customfields", fields)
    assert_held("POST", f"{one}/customfields", shown.status_code, shown.json())
    field = [{"customfield_id": shown.json()["custom_fields"][0]["customfield_id"], "value": "3"}]
    singular = "/invoice/{invoice_id}/customfields"
    assert specification.request_faults("PUT", singular, field) == []
    done = await api.put(f"/invoice/{invoice_id}/customfields", field)
    assert_held("PUT", singular, done.status_code, done.json())
    void = await api.post(f"{path}/void")
    assert_held("POST", f"{one}/void", void.status_code, void.json())
    listed = await api.get("/invoices")
    assert len(listed.json()["invoices"]) == 2
    assert_held("GET", "/invoices", listed.status_code, listed.json())
    deleted = await api.send("DELETE", path)
    assert_held("DELETE", one, deleted.status_code, deleted.json())
    assert simulator.statistics.unknown_keys == {}


async def test_payments_and_refunds_accepted_and_answered_fit_the_files(api: Api, simulator: RunningSimulator) -> None:
    one = "/payments/{payment_id}"
    customer_id = await api.create("A", email="a@example.com")
    invoice_id = await api.bill(customer_id, 100)
    whole = {
        **payment_body(customer_id, 60, {invoice_id: 50}),
        "date": "2026-11-20",
        "reference_number": "p-1",
        "description": "A note",
        "exchange_rate": 1,
        "bank_charges": 2.5,
        "tax_account_id": "903000000000370",
        "account_id": "903000000000361",
        "custom_fields": [{"label": "External ID", "value": "p-1"}],
    }
    for body in (payment_body(customer_id, 5, {}), whole):
        assert specification.request_faults("POST", "/payments", body) == []
        created = await api.post("/payments", body)
        assert_held("POST", "/payments", created.status_code, created.json())
        path = f"/payments/{created.json()['payment']['payment_id']}"
        assert specification.request_faults("PUT", one, body) == []
        for method, sent in (("GET", None), ("PUT", body)):
            reply = await api.send(method, path, sent)
            assert_held(method, one, reply.status_code, reply.json())
    back = {"amount": 5.5, "description": "Paid back"}
    assert specification.request_faults("POST", f"{one}/refunds", back) == []
    refund = await api.post(f"{path}/refunds", back)
    assert_held("POST", f"{one}/refunds", refund.status_code, refund.json())
    read = await api.get(f"/creditnotes/refunds/{refund.json()['refund']['refund_id']}")
    assert_held("GET", "/creditnotes/refunds/{refund_id}", read.status_code, read.json())
    transactions = await api.get("/transactions")
    assert {row["type"] for row in transactions.json()["transactions"]} == {"invoice", "payment", "credit", "refund"}
    assert_held("GET", "/transactions", transactions.status_code, transactions.json())
    other_id = await api.pay(customer_id, 1, {})
    deleted = await api.send("DELETE", f"/payments/{other_id}")
    assert_held("DELETE", one, deleted.status_code, deleted.json())
    assert simulator.statistics.unknown_keys == {}


async def test_taxes_fit_the_files(api: Api) -> None:
    reply = await api.get("/settings/taxes")
    assert_held("GET", "/settings/taxes", reply.status_code, reply.json())


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


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/invoices", {"customer_id": "1", "date": "2026-11-20", "line_items": []}),
        ("/invoices", {"customer_id": "1", "date": "2026-11-20", "invoice_items": [{"name": "A", "rate": 5}]}),
        ("/invoices", {"date": "2026-11-20", "invoice_items": []}),
        ("/payments", {"customer_id": "1", "payment_mode": "cash", "amount": "5"}),
        ("/payments", {"customer_id": "1", "payment_mode": "cash", "amount": 5, "invoices": [{"invoice_id": "1"}]}),
    ],
)
def test_the_judge_finds_faults_in_invoices_and_payments(path: str, body: dict[str, Any]) -> None:
    assert specification.request_faults("POST", path, body) != []


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
