from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.invoices import raise_invoice
from outbox.simulator.settings import Undocumented

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]

OWN_NUMBER = "/invoices?ignore_auto_number_generation=true"
DAY = 86_400
LINE: dict[str, Any] = {"name": "Internet", "price": 899, "quantity": 1}


def body_for(customer_id: str, **fields: Any) -> dict[str, Any]:
    return {"customer_id": customer_id, "date": "2026-11-20", "invoice_items": [LINE], **fields}


async def numbers(api: Api, **parameters: str) -> list[str]:
    reply = await api.get("/invoices", **parameters)
    assert reply.status_code == 200, reply.text
    return [row["invoice_number"] for row in reply.json()["invoices"]]


async def test_a_created_invoice_is_a_draft_with_both_spellings(api: Api) -> None:
    customer_id = await api.create("Vlei Bakery", email="a@example.com", billing_address={"street": "1 Long Road"})
    reply = await api.post(
        OWN_NUMBER, body_for(customer_id, invoice_number="CT-1", reference_number="r", is_inclusive_tax=True)
    )
    assert reply.status_code == 201
    assert (reply.json()["code"], reply.json()["message"]) == (0, "The invoice has been created.")
    invoice = reply.json()["invoice"]
    assert invoice["status"] == "draft"
    assert (invoice["invoice_number"], invoice["number"]) == ("CT-1", "CT-1")
    assert (invoice["date"], invoice["invoice_date"]) == ("2026-11-20", "2026-11-20")
    assert invoice["updated_time"] == invoice["last_modified_time"] == "2026-11-20T12:00:00+0200"
    assert (invoice["customer_name"], invoice["email"]) == ("Vlei Bakery", "a@example.com")
    assert invoice["billing_address"]["street"] == "1 Long Road"
    assert (invoice["sub_total"], invoice["tax_total"], invoice["total"]) == (781.74, 117.26, 899)
    assert (invoice["balance"], invoice["payment_made"]) == (899, 0)
    assert invoice["invoice_items"][0]["item_total"] == 899
    assert (await api.get(f"/invoices/{invoice['invoice_id']}")).json() == {
        "code": 0,
        "message": "success",
        "invoice": invoice,
    }


async def test_without_a_number_of_ours_zoho_numbers(api: Api) -> None:
    customer_id = await api.create("A")
    await api.post("/invoices", body_for(customer_id))
    await api.post("/invoices", body_for(customer_id, invoice_number="CT-1"))
    await api.post(OWN_NUMBER, body_for(customer_id, invoice_number="inv-000003"))
    await api.post("/invoices", body_for(customer_id))
    assert await numbers(api) == ["INV-000001", "INV-000002", "inv-000003", "INV-000004"]


async def test_a_number_of_ours_must_be_there_when_it_is_announced(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    for fields in ({}, {"invoice_number": " "}, {"invoice_number": "1" * 51}):
        assert code_of(await api.post(OWN_NUMBER, body_for(customer_id, **fields))) == (400, 4)


@pytest.mark.parametrize("again", ["CT-1", " ct-1 ", "Ct-1"])
@pytest.mark.parametrize("state", ["draft", "open", "void"])
async def test_a_number_that_exists_is_400_1001(api: Api, again: str, state: str) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    invoice_id = await api.bill(customer_id, 10, opened=state != "draft", invoice_number="CT-1")
    if state == "void":
        await api.post(f"/invoices/{invoice_id}/void")
    reply = await api.post(OWN_NUMBER, body_for(other_id, invoice_number=again))
    assert (reply.status_code, reply.json()["code"]) == (400, 1001)
    assert "already exist" in reply.json()["message"]
    assert await numbers(api) == ["CT-1"]


async def test_punctuation_makes_another_number(api: Api) -> None:
    customer_id = await api.create("A")
    for number in ("CT-1", "CT1", "CT 1"):
        await api.bill(customer_id, 10, invoice_number=number)
    assert await numbers(api) == ["CT-1", "CT1", "CT 1"]


async def test_a_deleted_invoice_frees_its_number(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 10, invoice_number="CT-1")
    assert (await api.send("DELETE", f"/invoices/{invoice_id}")).status_code == 200
    assert await api.bill(customer_id, 10, invoice_number="CT-1") != invoice_id


async def test_the_organisation_can_allow_repeated_numbers(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.invoices.unique_numbers = False
    customer_id = await api.create("A")
    for _ in range(2):
        await api.bill(customer_id, 10, invoice_number="CT-1")
    assert await numbers(api) == ["CT-1", "CT-1"]
    assert simulator.statistics.created_more_than_once("invoices", "invoice_number") == {"CT-1": 2}


async def test_creates_are_counted_by_number_and_custom_field(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A")
    fields = [{"label": "External ID", "value": "6f1f"}]
    await api.bill(customer_id, 10, invoice_number="CT-1", custom_fields=fields)
    assert simulator.statistics.creates["invoices"] == {"invoice_number": {"CT-1": 1}, "External ID": {"6f1f": 1}}
    assert simulator.statistics.count_of_creates("invoices") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"customer_id": None},
        {"date": None},
        {"date": "20.11.2026"},
        {"date": "2026-11-31"},
        {"date": "20261120"},
        {"due_date": "tomorrow"},
        {"due_date": "2026-11-19"},
        {"invoice_items": []},
        {"invoice_items": None},
        {"invoice_items": ["Internet"]},
        {"invoice_items": [{"price": 10, "quantity": 1}]},
        {"invoice_items": [{"name": " ", "price": 10, "quantity": 1}]},
        {"invoice_items": [{"name": "A" * 101, "price": 10, "quantity": 1}]},
        {"invoice_items": [{"name": "A", "description": "A" * 2001, "price": 10, "quantity": 1}]},
        {"invoice_items": [{"name": "A", "quantity": 1}]},
        {"invoice_items": [{"name": "A", "rate": 10, "quantity": 1}]},
        {"invoice_items": [{"name": "A", "price": "ten", "quantity": 1}]},
        {"invoice_items": [{"name": "A", "price": "NaN", "quantity": 1}]},
        {"invoice_items": [{"name": "A", "price": True, "quantity": 1}]},
        {"invoice_items": [{"name": "A", "price": 10}]},
        {"invoice_items": [{"name": "A", "price": 10, "quantity": 0}]},
        {"invoice_items": [{"name": "A", "price": 10, "quantity": 1.5}]},
        {"invoice_items": [{"name": "A", "price": 10, "quantity": 1, "discount": 1}]},
        {"invoice_items": [{"name": "A", "price": 10, "quantity": 1, "tax_id": 5}]},
        {"invoice_items": [{"name": "A", "price": -10, "quantity": 1}]},
        {"discount": 5},
        {"discount_type": "both"},
        {"adjustment": 0.001},
        {"adjustment": "much"},
        {"shipping_charge": None},
        {"is_inclusive_tax": "true"},
        {"payment_terms": "15"},
        {"payment_terms": -1},
        {"exchange_rate": 0},
        {"reference_number": 5},
        {"reference_number": "1" * 51},
        {"contact_persons": ["1"]},
        {"payment_options": []},
        {"custom_fields": [{"label": "External ID", "value": 1}]},
    ],
)
async def test_bodies_that_do_not_fit_are_400_4_and_change_nothing(
    api: Api, simulator: RunningSimulator, fields: dict[str, Any], code_of: CodeOf
) -> None:
    customer_id = await api.create("A")
    assert code_of(await api.post("/invoices", {**body_for(customer_id), **fields})) == (400, 4)
    assert len(simulator.simulator.books.invoices) == 0
    assert await api.balances(customer_id) == (0, 0)


@pytest.mark.parametrize("missing", ["customer_id", "date", "invoice_items"])
async def test_a_new_invoice_needs_customer_date_and_lines(api: Api, missing: str, code_of: CodeOf) -> None:
    body = body_for(await api.create("A"))
    del body[missing]
    assert code_of(await api.post("/invoices", body)) == (400, 4)


async def test_what_does_not_exist_is_named_by_its_code(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    assert code_of(await api.post("/invoices", body_for("1"))) == (400, 3004)
    line = {**LINE, "product_id": "1"}
    assert code_of(await api.post("/invoices", body_for(customer_id, invoice_items=[line]))) == (400, 2006)
    fields = [{"label": "Shoe Size", "value": "44"}]
    assert code_of(await api.post("/invoices", body_for(customer_id, custom_fields=fields))) == (400, 120129)


async def test_a_line_may_name_a_product_and_then_needs_no_name(api: Api) -> None:
    product_id = (await api.post("/products", {"name": "Fibre"})).json()["product"]["product_id"]
    line = {"product_id": product_id, "price": 899, "quantity": 1}
    reply = await api.post("/invoices", body_for(await api.create("A"), invoice_items=[line]))
    assert reply.json()["invoice"]["invoice_items"][0]["product_id"] == product_id


async def test_unknown_keys_are_ignored_and_counted(api: Api, simulator: RunningSimulator) -> None:
    line = {**LINE, "rate": 5}
    await api.post("/invoices", body_for(await api.create("A"), line_items=[LINE], invoice_items=[line]))
    assert simulator.statistics.unknown_keys == {"POST /invoices": {"line_items": 1, "invoice_items.rate": 1}}


async def test_numbers_may_be_sent_as_text(api: Api) -> None:
    lines = [{"name": "A", "price": "10.50", "quantity": "2"}]
    fields = {"invoice_items": lines, "shipping_charge": "4.00", "adjustment": "-0.02", "is_inclusive_tax": True}
    invoice = (await api.post("/invoices", body_for(await api.create("A"), **fields))).json()["invoice"]
    assert (invoice["total"], invoice["adjustment"], invoice["shipping_charge"]) == (24.98, -0.02, "4.00")


async def test_length_limits_can_be_switched_off(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.invoices.enforce_length_limits = False
    customer_id = await api.create("A")
    assert (await api.post("/invoices", body_for(customer_id, reference_number="1" * 51))).status_code == 201


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, "2026-11-20"),
        ({"payment_terms": 15}, "2026-12-05"),
        ({"payment_terms": 15, "due_date": "2026-11-21"}, "2026-11-21"),
    ],
)
async def test_an_invoice_is_due_its_terms_after_its_date(api: Api, fields: dict[str, Any], due: str) -> None:
    reply = await api.post("/invoices", body_for(await api.create("A"), **fields))
    assert reply.json()["invoice"]["due_date"] == due


async def test_without_terms_of_its_own_an_invoice_has_the_customers(api: Api) -> None:
    customer_id = await api.create("A", payment_terms=7, payment_terms_label="Net 7")
    invoice = (await api.post("/invoices", body_for(customer_id))).json()["invoice"]
    assert (invoice["due_date"], invoice["payment_terms_label"]) == ("2026-11-27", "Net 7")


async def test_a_draft_is_opened_and_then_owed(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 115, opened=False)
    assert await api.balances(customer_id) == (0, 0)
    reply = await api.post(f"/invoices/{invoice_id}/converttoopen")
    assert reply.json() == {"code": 0, "message": "Status of the invoice has been changed to open."}
    assert (await api.invoice(invoice_id))["status"] == "sent"
    assert await api.balances(customer_id) == (115, 0)


async def test_send_true_opens_at_once(api: Api) -> None:
    reply = await api.post("/invoices?send=true", body_for(await api.create("A")))
    assert (reply.json()["invoice"]["status"], reply.json()["invoice"]["is_emailed"]) == ("sent", True)


@pytest.mark.parametrize(("refused", "status"), [(True, 400), (False, 200)])
async def test_repeated_actions_are_refused_or_without_effect(
    api: Api, simulator: RunningSimulator, refused: bool, status: int
) -> None:
    simulator.settings.invoices.refuse_repeated_actions = refused
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 115)
    for action, state in (("converttoopen", "sent"), ("void", "void")):
        if action == "void":
            await api.post(f"/invoices/{invoice_id}/void")
        assert (await api.post(f"/invoices/{invoice_id}/{action}")).status_code == status
        assert (await api.invoice(invoice_id))["status"] == state


async def test_an_invoice_is_overdue_from_the_day_after_it_was_due(api: Api, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100, due_date="2026-11-21")
    for state in ("sent", "sent", "overdue"):
        assert (await api.invoice(invoice_id))["status"] == state
        assert (await api.get("/invoices")).json()["invoices"][0]["status"] == state
        assert (await api.control("GET", "/books")).json()["invoices"][0]["status"] == state
        clock.advance(DAY)
        await api.sign_in()
    await api.pay(customer_id, 40, {invoice_id: 40})
    assert (await api.invoice(invoice_id))["status"] == "overdue"
    await api.pay(customer_id, 60, {invoice_id: 60})
    assert (await api.invoice(invoice_id))["status"] == "paid"


async def test_neither_a_draft_nor_a_void_invoice_is_overdue(api: Api, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    draft_id = await api.bill(customer_id, 100, opened=False)
    void_id = await api.bill(customer_id, 100)
    await api.post(f"/invoices/{void_id}/void")
    clock.advance(30 * DAY)
    await api.sign_in()
    assert (await api.invoice(draft_id))["status"] == "draft"
    assert (await api.invoice(void_id))["status"] == "void"


async def test_nothing_to_pay_is_paid_once_it_is_open(api: Api) -> None:
    invoice_id = await api.bill(await api.create("A"), 100, -100, opened=False)
    assert (await api.invoice(invoice_id))["status"] == "draft"
    await api.post(f"/invoices/{invoice_id}/converttoopen")
    assert (await api.invoice(invoice_id))["status"] == "paid"


async def test_a_draft_cannot_be_void(api: Api) -> None:
    invoice_id = await api.bill(await api.create("A"), 100, opened=False)
    assert (await api.post(f"/invoices/{invoice_id}/void")).status_code == 400
    assert (await api.invoice(invoice_id))["status"] == "draft"


@pytest.mark.parametrize(
    ("paid", "days", "state"),
    [(0.0, 0, "sent"), (0.0, 30, "overdue"), (40.0, 0, "partially_paid"), (100.0, 0, "paid")],
)
async def test_voiding_turns_payments_into_credit(
    api: Api, clock: SimulatorClock, paid: float, days: int, state: str
) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, paid, {invoice_id: paid}) if paid else ""
    clock.advance(days * DAY)
    await api.sign_in()
    assert (await api.invoice(invoice_id))["status"] == state
    reply = await api.post(f"/invoices/{invoice_id}/void")
    assert reply.json() == {"code": 0, "message": "Invoice status has been changed to Void."}
    invoice = await api.invoice(invoice_id)
    assert (invoice["status"], invoice["payments"], invoice["payment_made"]) == ("void", [], 0)
    assert await api.balances(customer_id) == (0, paid)
    if payment_id:
        assert (await api.payment(payment_id))["invoices"] == []


async def test_a_void_invoice_opened_again_is_owed_whole(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    await api.pay(customer_id, 40, {invoice_id: 40})
    await api.post(f"/invoices/{invoice_id}/void")
    assert (await api.post(f"/invoices/{invoice_id}/converttoopen")).status_code == 200
    invoice = await api.invoice(invoice_id)
    assert (invoice["status"], invoice["balance"]) == ("sent", 100)
    assert await api.balances(customer_id) == (100, 40)


async def test_an_edit_replaces_the_lines_and_keeps_what_is_not_sent(api: Api, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(
        customer_id, 100, 50, invoice_number="CT-1", notes="Thanks", adjustment=0.01, reference_number="r"
    )
    clock.advance(60)
    change = {"customer_id": customer_id, "invoice_items": [{"name": "Less", "price": 70, "quantity": 1}]}
    reply = await api.put(f"/invoices/{invoice_id}", change)
    assert (reply.status_code, reply.json()["message"]) == (200, "The invoice has been updated.")
    invoice = await api.invoice(invoice_id)
    assert reply.json()["invoice"] == invoice
    assert [line["name"] for line in invoice["invoice_items"]] == ["Less"]
    assert (invoice["total"], invoice["adjustment"], invoice["notes"]) == (70.01, 0.01, "Thanks")
    assert (invoice["invoice_number"], invoice["due_date"], invoice["status"]) == ("CT-1", "2026-11-27", "sent")
    assert invoice["last_modified_time"] == invoice["updated_time"] == "2026-11-20T12:01:00+0200"
    assert invoice["created_time"] == "2026-11-20T12:00:00+0200"
    assert await api.balances(customer_id) == (70.01, 0)


@pytest.mark.parametrize("missing", ["customer_id", "invoice_items"])
async def test_an_edit_needs_customer_and_lines(api: Api, missing: str, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    change = body_for(customer_id)
    del change[missing]
    assert code_of(await api.put(f"/invoices/{invoice_id}", change)) == (400, 4)


async def test_a_number_changes_only_when_that_is_announced(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100, invoice_number="CT-1")
    await api.bill(customer_id, 100, invoice_number="CT-2")
    path = f"/invoices/{invoice_id}"
    announced = f"{path}?ignore_auto_number_generation=true"
    await api.put(path, body_for(customer_id, invoice_number="CT-3"))
    assert await numbers(api) == ["CT-1", "CT-2"]
    assert code_of(await api.put(announced, body_for(customer_id, invoice_number="ct-2"))) == (400, 1001)
    assert (await api.put(announced, body_for(customer_id, invoice_number="CT-1"))).status_code == 200
    await api.put(announced, body_for(customer_id, invoice_number="CT-3"))
    assert await numbers(api) == ["CT-3", "CT-2"]
    assert await numbers(api, invoice_number="CT-3") == ["CT-3"]
    assert await numbers(api, invoice_number="CT-1") == []


async def test_an_edit_of_a_paid_invoice_follows_the_payments(api: Api) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    invoice_id = await api.bill(customer_id, 100)
    await api.pay(customer_id, 100, {invoice_id: 100})
    path = f"/invoices/{invoice_id}"
    costs = {"is_inclusive_tax": True, "invoice_items": [{**LINE, "price": 120}]}
    assert (await api.put(path, body_for(other_id, **costs))).status_code == 400
    less = {"is_inclusive_tax": True, "invoice_items": [{**LINE, "price": 99}]}
    assert (await api.put(path, body_for(customer_id, **less))).status_code == 400
    assert (await api.invoice(invoice_id))["status"] == "paid"
    assert (await api.put(path, body_for(customer_id, **costs))).status_code == 200
    invoice = await api.invoice(invoice_id)
    assert (invoice["status"], invoice["balance"]) == ("partially_paid", 20)
    assert await api.balances(customer_id) == (20, 0)


async def test_an_unpaid_invoice_can_move_to_another_customer(api: Api) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    invoice_id = await api.bill(customer_id, 100)
    await api.put(f"/invoices/{invoice_id}", {"customer_id": other_id, "invoice_items": [LINE]})
    assert (await api.invoice(invoice_id))["customer_name"] == "B"
    assert [await api.balances(each) for each in (customer_id, other_id)] == [(0, 0), (899, 0)]


async def test_a_void_invoice_cannot_be_edited(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    await api.post(f"/invoices/{invoice_id}/void")
    assert (await api.put(f"/invoices/{invoice_id}", body_for(customer_id))).status_code == 400


async def test_an_invoice_with_a_payment_is_not_deleted(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 1, {invoice_id: 1})
    path = f"/invoices/{invoice_id}"
    assert (await api.send("DELETE", path)).status_code == 400
    await api.send("DELETE", f"/payments/{payment_id}")
    reply = await api.send("DELETE", path)
    assert (reply.status_code, reply.json()["message"]) == (200, "The invoice has been deleted.")
    assert code_of(await api.send("DELETE", path)) == (404, 1002)
    assert await api.balances(customer_id) == (0, 0)


@pytest.mark.parametrize("status", [404, 400])
async def test_a_missing_invoice_is_1002_with_the_status_in_the_settings(
    api: Api, simulator: RunningSimulator, status: int, code_of: CodeOf
) -> None:
    simulator.settings.change({"missing_status": status})
    customer_id = await api.create("A")
    asked = [
        await api.get("/invoices/1"),
        await api.put("/invoices/1", body_for(customer_id)),
        await api.send("DELETE", "/invoices/1"),
        await api.get("/invoices/1/payments"),
        await api.post("/invoices/1/void"),
        await api.post("/invoices/1/converttoopen"),
        await api.post("/invoices/1/customfields", {"custom_fields": []}),
        await api.put("/invoice/1/customfields", [{"customfield_id": 1, "value": "1"}]),
    ]
    assert {code_of(reply) for reply in asked} == {(status, 1002)}


async def test_a_customer_with_invoices_is_not_deleted(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100, opened=False)
    assert (await api.send("DELETE", f"/customers/{customer_id}")).status_code == 400
    await api.send("DELETE", f"/invoices/{invoice_id}")
    assert (await api.send("DELETE", f"/customers/{customer_id}")).status_code == 200


async def test_custom_fields_change_by_label_and_by_id(api: Api, code_of: CodeOf) -> None:
    invoice_id = await api.bill(await api.create("A"), 100, custom_fields=[{"label": "External ID", "value": "1"}])
    path, by_id = f"/invoices/{invoice_id}/customfields", f"/invoice/{invoice_id}/customfields"
    reply = await api.post(path, {"custom_fields": [{"label": "Account Number", "value": "CT-2"}]})
    assert reply.status_code == 200
    rows = reply.json()["custom_fields"]
    assert [(row["label"], row["value"]) for row in rows] == [("External ID", "1"), ("Account Number", "CT-2")]
    assert rows[0]["placeholder"] == "cf_external_id"
    change = {"customfield_id": rows[0]["customfield_id"], "value": "2"}
    assert (await api.put(by_id, [change])).status_code == 200
    assert [row["value"] for row in (await api.invoice(invoice_id))["custom_fields"]] == ["2", "CT-2"]
    assert code_of(await api.post(path, {"custom_fields": [{"label": "Shoe", "value": "4"}]})) == (400, 120129)
    assert code_of(await api.post(path, {})) == (400, 4)
    assert code_of(await api.put(by_id, [{"customfield_id": 1, "value": "2"}])) == (400, 120129)
    for wrong in ([], change, ["2"], [{"value": "2"}], [{**change, "value": 2}]):
        assert code_of(await api.put(by_id, wrong)) == (400, 4)


async def test_a_row_is_thin(api: Api) -> None:
    await api.bill(await api.create("A", email="a@example.com"), 100, invoice_number="CT-1")
    (row,) = (await api.get("/invoices")).json()["invoices"]
    assert not {"invoice_items", "payments", "custom_fields", "billing_address", "notes"} & set(row)
    assert (row["number"], row["invoice_number"], row["email"]) == ("CT-1", "CT-1", "a@example.com")
    assert (row["invoice_date"], row["date"], row["total"], row["balance"]) == ("2026-11-20", "2026-11-20", 100, 100)


async def test_invoices_are_listed_by_state(api: Api, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    for number in ("draft", "sent", "partial", "paid", "void", "late"):
        late = {"due_date": "2026-11-20"} if number == "late" else {"due_date": "2027-01-01"}
        invoice_id = await api.bill(customer_id, 100, opened=number != "draft", invoice_number=number, **late)
        if number in {"partial", "paid"}:
            await api.pay(customer_id, 100, {invoice_id: 100 if number == "paid" else 1})
        if number == "void":
            await api.post(f"/invoices/{invoice_id}/void")
    clock.advance(2 * DAY)
    await api.sign_in()
    states = ("Draft", "Sent", "PartiallyPaid", "Paid", "Void", "OverDue", "Unpaid", "All")
    shown = {state: await numbers(api, filter_by=f"Status.{state}") for state in states}
    assert shown == {
        "Draft": ["draft"],
        "Sent": ["sent"],
        "PartiallyPaid": ["partial"],
        "Paid": ["paid"],
        "Void": ["void"],
        "OverDue": ["late"],
        "Unpaid": ["sent", "partial", "late"],
        "All": ["draft", "sent", "partial", "paid", "void", "late"],
    }
    assert (await api.get("/invoices")).json()["page_context"]["applied_filter"] == "Status.All"
    assert (await api.get("/invoices", filter_by="Status.Odd")).status_code == 400


async def test_invoices_are_listed_by_customer_and_number(api: Api) -> None:
    first, second = await api.create("A"), await api.create("B")
    await api.bill(first, 100, invoice_number="CT-1")
    await api.bill(second, 100, invoice_number="CT-2")
    await api.bill(first, 100, invoice_number="CT-3")
    assert await numbers(api, customer_id=first) == ["CT-1", "CT-3"]
    assert await numbers(api, invoice_number=" ct-2 ") == ["CT-2"]
    assert await numbers(api, customer_id=first, invoice_number="CT-2") == []
    assert await numbers(api, customer_id=first, filter_by="Status.Paid") == []


@pytest.mark.parametrize(
    ("feature", "status", "rows"),
    [
        (Undocumented.ON, 200, 1),
        (Undocumented.IGNORED, 200, 3),
        (Undocumented.BAD_REQUEST, 400, 0),
        (Undocumented.NOT_FOUND, 404, 0),
    ],
)
async def test_the_undocumented_number_filter_can_be_switched(
    api: Api, feature: Undocumented, status: int, rows: int
) -> None:
    customer_id = await api.create("A")
    for number in range(3):
        await api.bill(customer_id, 100, invoice_number=f"CT-{number}")
    await api.control("PATCH", "/settings", {"undocumented": {"invoices_number": feature.value}})
    reply = await api.get("/invoices", invoice_number="CT-1")
    assert reply.status_code == status
    assert len(reply.json().get("invoices", [])) == rows


@pytest.mark.parametrize(
    ("feature", "status"),
    [
        (Undocumented.ON, 200),
        (Undocumented.IGNORED, 404),
        (Undocumented.BAD_REQUEST, 400),
        (Undocumented.NOT_FOUND, 404),
    ],
)
async def test_the_undocumented_payments_of_an_invoice_can_be_switched(
    api: Api, feature: Undocumented, status: int
) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 40, {invoice_id: 40}, reference_number="p-1")
    await api.control("PATCH", "/settings", {"undocumented": {"invoice_payments": feature.value}})
    reply = await api.get(f"/invoices/{invoice_id}/payments")
    assert reply.status_code == status
    if status == 200:
        (row,) = reply.json()["payments"]
        assert (row["payment_id"], row["invoice_id"], row["reference_number"], row["amount"]) == (
            payment_id,
            invoice_id,
            "p-1",
            40,
        )


async def test_invoices_have_pages_and_a_lag(api: Api, simulator: RunningSimulator, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    for number in range(3):
        simulator.simulator.plant_invoice(customer_id=customer_id, total=10, invoice_number=f"CT-{number}")
    assert await numbers(api, page="2", per_page="2") == ["CT-2"]
    simulator.faults.plant("row_skipped", "GET", "/invoices")
    assert await numbers(api, page="2", per_page="1") == ["CT-2"]
    simulator.settings.list_lag_seconds = 20
    await api.bill(customer_id, 100, invoice_number="CT-3")
    assert await numbers(api, customer_id=customer_id) == ["CT-0", "CT-1", "CT-2"]
    assert await numbers(api, invoice_number="CT-3") == []
    clock.advance(20)
    assert await numbers(api, invoice_number="CT-3") == ["CT-3"]


async def test_a_lost_reply_leaves_the_invoice_in_the_books(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A")
    simulator.faults.plant("done_then_lost", "POST", "/invoices", body_contains="CT-1")
    with pytest.raises(httpx.TransportError):
        await api.bill(customer_id, 100, invoice_number="CT-1")
    assert await numbers(api) == ["CT-1"]
    assert simulator.statistics.creates["invoices"]["invoice_number"] == {"CT-1": 1}
    (line,) = (await api.control("GET", "/requests?path=*/invoices")).json()["requests"][:1]
    assert (line["fault"], line["query"]) == ("done_then_lost", "ignore_auto_number_generation=true")
    assert '"invoice_number":"CT-1"' in line["body"].replace(" ", "")


async def test_a_subscription_raises_an_open_numbered_invoice(api: Api, simulator: RunningSimulator) -> None:
    books = simulator.simulator.books
    customer_id = await api.create("A", email="a@example.com")
    customer = books.customers.get(customer_id)
    assert customer is not None
    raised = raise_invoice(
        books,
        customer,
        [
            {"name": "Fibre", "description": "", "price": 899, "quantity": 1, "tax_id": ""},
            {"name": "Router", "description": "Rent", "price": "50.00", "quantity": 2, "tax_id": ""},
        ],
        on=date(2026, 11, 20),
        due=date(2026, 11, 27),
        now=simulator.clock.now(),
        subscription_id="77",
        period=("2026-11-20", "2026-12-19"),
    )
    invoice = await api.invoice(raised["invoice_id"])
    assert (invoice["status"], invoice["invoice_number"], invoice["total"]) == ("sent", "INV-000001", 999)
    assert [line["description"] for line in invoice["invoice_items"]] == [
        "Charges for this duration (from 20-November-2026 to 19-December-2026)",
        "Rent",
    ]
    assert (invoice["date"], invoice["due_date"], invoice["transaction_type"]) == (
        "2026-11-20",
        "2026-11-27",
        "renewal",
    )
    assert await api.balances(customer_id) == (999, 0)
    assert await numbers(api, subscription_id="77") == ["INV-000001"]
    assert await numbers(api, subscription_id="78") == []
    listed = (await api.get("/invoices")).json()["invoices"][0]
    assert not any("subscription" in name for name in [*invoice, *listed])
    assert simulator.statistics.creates.get("invoices") is None
