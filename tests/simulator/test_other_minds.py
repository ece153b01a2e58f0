"""Switches for what nobody knows of Zoho: each answer that ``doctor --probe`` may find can be played."""

from typing import Any

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.settings import Undocumented

from .conftest import Api, payment_body

pytestmark = pytest.mark.anyio


async def test_a_void_invoice_keeps_its_number_unless_it_is_freed(api: Api, simulator: RunningSimulator) -> None:
    customer = await api.create("A")
    invoice = await api.bill(customer, 10, invoice_number="CT-1")
    await api.post(f"/invoices/{invoice}/void")
    again = {"customer_id": customer, "date": "2026-11-20", "invoice_number": "CT-1"}
    body = {**again, "invoice_items": [{"name": "A", "price": 5, "quantity": 1}]}
    path = "/invoices?ignore_auto_number_generation=true"
    assert (await api.post(path, body)).json()["code"] == 1001
    simulator.settings.invoices.void_frees_number = True
    assert (await api.post(path, body)).status_code == 201
    assert (await api.post(path, body)).json()["code"] == 1001


async def test_a_draft_can_be_made_void_where_that_is_allowed(api: Api, simulator: RunningSimulator) -> None:
    invoice = await api.bill(await api.create("A"), 10, opened=False)
    assert (await api.post(f"/invoices/{invoice}/void")).status_code == 400
    simulator.settings.invoices.void_drafts = True
    assert (await api.post(f"/invoices/{invoice}/void")).status_code == 200
    assert (await api.invoice(invoice))["status"] == "void"


async def test_what_is_paid_above_the_balance_can_become_credit(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.payments.refuse_above_balance = False
    customer = await api.create("A")
    invoice = await api.bill(customer, 10)
    await api.pay(customer, 15, {invoice: 15})
    assert (await api.invoice(invoice))["status"] == "paid"
    assert (await api.get(f"/customers/{customer}")).json()["customer"]["unused_credits"] == 5
    assert (await api.post("/payments", payment_body(customer, 1, {invoice: 1}))).json()["code"] == 24016


async def test_a_draft_can_take_payments(api: Api, simulator: RunningSimulator) -> None:
    customer = await api.create("A")
    draft = await api.bill(customer, 10, opened=False)
    assert (await api.post("/payments", payment_body(customer, 1, {draft: 1}))).json()["code"] == 24018
    simulator.settings.payments.pay_drafts = True
    await api.pay(customer, 1, {draft: 1})
    held = await api.invoice(draft)
    assert (held["status"], held["balance"]) == ("draft", 9)


async def test_references_can_be_unique(api: Api, simulator: RunningSimulator) -> None:
    customer = await api.create("A")
    plan = simulator.simulator.plant_plan(plan_code="P", recurring_price=5)
    payment = payment_body(customer, 1, {}, reference_number="R")
    subscription: dict[str, Any] = {
        "customer_id": customer,
        "auto_collect": False,
        "plan": {"plan_code": plan},
        "reference_id": "R",
    }
    for path, body in (("/payments", payment), ("/subscriptions", subscription)):
        assert (await api.post(path, body)).status_code == 201
        assert (await api.post(path, body)).status_code == 201
    simulator.settings.payments.unique_references = True
    simulator.settings.subscriptions.unique_references = True
    for path, body in (("/payments", payment), ("/subscriptions", subscription)):
        assert (await api.post(path, body)).status_code == 400
    assert (await api.post("/subscriptions", {**subscription, "reference_id": ""})).status_code == 201


@pytest.mark.parametrize(
    ("feature", "status"),
    [(Undocumented.ON, 201), (Undocumented.BAD_REQUEST, 405), (Undocumented.NOT_FOUND, 404)],
)
async def test_customers_can_be_put_without_an_id(
    api: Api, simulator: RunningSimulator, feature: Undocumented, status: int
) -> None:
    simulator.settings.undocumented.customers_upsert = feature
    assert (await api.put("/customers", {"display_name": "A"})).status_code == status
