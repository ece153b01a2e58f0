from collections.abc import Callable
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.settings import Undocumented

from .conftest import Api, payment_body

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]


async def test_a_payment_is_shown_on_itself_and_on_its_invoice(api: Api) -> None:
    customer_id = await api.create("Vlei Bakery", email="a@example.com")
    invoice_id = await api.bill(customer_id, 899, invoice_number="CT-1")
    reply = await api.post(
        "/payments",
        payment_body(
            customer_id,
            500,
            {invoice_id: 500},
            date="2026-11-19",
            reference_number="p-1",
            description="card 1234",
            custom_fields=[{"label": "External ID", "value": "p-1"}],
        ),
    )
    assert (reply.status_code, reply.json()["message"]) == (201, "The payment has been created.")
    payment = reply.json()["payment"]
    assert (payment["amount"], payment["amount_refunded"], payment["status"]) == (500, 0, "success")
    assert (payment["date"], payment["reference_number"], payment["payment_mode"]) == (
        "2026-11-19",
        "p-1",
        "banktransfer",
    )
    assert (payment["customer_name"], payment["email"], payment["payment_number"]) == (
        "Vlei Bakery",
        "a@example.com",
        "1",
    )
    assert payment["custom_fields"][0]["value"] == "p-1"
    assert payment["invoices"] == [
        {
            "invoice_id": invoice_id,
            "invoice_number": "CT-1",
            "date": "2026-11-20",
            "invoice_amount": 899.0,
            "amount_applied": 500.0,
            "balance_amount": 399.0,
        }
    ]
    assert await api.payment(payment["payment_id"]) == payment
    invoice = await api.invoice(invoice_id)
    assert (invoice["status"], invoice["payment_made"], invoice["balance"]) == ("partially_paid", 500, 399)
    (row,) = invoice["payments"]
    assert (row["payment_id"], row["amount"], row["date"]) == (payment["payment_id"], 500, "2026-11-19")
    assert (row["reference_number"], row["payment_mode"], row["description"]) == ("p-1", "banktransfer", "card 1234")
    assert invoice["last_payment_date"] == "2026-11-19"
    assert await api.balances(customer_id) == (399, 0)


async def test_an_invoice_is_paid_when_nothing_is_left(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    for amount, state in ((99.99, "partially_paid"), (0.01, "paid")):
        await api.pay(customer_id, amount, {invoice_id: amount})
        assert (await api.invoice(invoice_id))["status"] == state
    assert await api.balances(customer_id) == (0, 0)


async def test_what_is_not_applied_is_the_customers_credit(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    await api.pay(customer_id, 250, {invoice_id: 100})
    await api.post("/payments", {"customer_id": customer_id, "payment_mode": "cash", "amount": 7})
    assert await api.balances(customer_id) == (0, 157)


async def test_one_payment_can_pay_several_invoices(api: Api) -> None:
    customer_id = await api.create("A")
    first, second = await api.bill(customer_id, 100), await api.bill(customer_id, 50)
    payment_id = await api.pay(customer_id, 120, {first: 100, second: 20})
    assert [(await api.invoice(each))["status"] for each in (first, second)] == ["paid", "partially_paid"]
    assert [row["balance_amount"] for row in (await api.payment(payment_id))["invoices"]] == [0, 30]


async def test_a_repeated_reference_number_is_another_payment(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A")
    for _ in range(2):
        await api.pay(customer_id, 10, {}, reference_number="p-1")
    assert await api.balances(customer_id) == (0, 20)
    assert simulator.statistics.created_more_than_once("payments", "reference_number") == {"p-1": 2}
    await api.pay(customer_id, 10, {})
    assert simulator.statistics.count_of_creates("payments") == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"customer_id": None},
        {"customer_id": ""},
        {"payment_mode": None},
        {"payment_mode": "eft"},
        {"payment_mode": 5},
        {"amount": None},
        {"amount": 0},
        {"amount": -5},
        {"amount": 0.001},
        {"amount": "much"},
        {"amount": True},
        {"date": "20.11.2026"},
        {"reference_number": 5},
        {"reference_number": "1" * 51},
        {"description": "1" * 2001},
        {"exchange_rate": 0},
        {"bank_charges": "x"},
        {"invoices": {}},
        {"invoices": ["1"]},
        {"invoices": [{"amount_applied": 5}]},
        {"invoices": [{"invoice_id": "1"}]},
        {"invoices": [{"invoice_id": "1", "amount_applied": 0}]},
        {"custom_fields": [{"label": "External ID", "value": 1}]},
    ],
)
async def test_bodies_that_do_not_fit_are_400_4_and_change_nothing(
    api: Api, simulator: RunningSimulator, fields: dict[str, Any], code_of: CodeOf
) -> None:
    customer_id = await api.create("A")
    assert code_of(await api.post("/payments", {**payment_body(customer_id, 10, {}), **fields})) == (400, 4)
    assert len(simulator.simulator.books.payments) == 0
    assert await api.balances(customer_id) == (0, 0)


@pytest.mark.parametrize("missing", ["customer_id", "payment_mode", "amount"])
async def test_a_new_payment_needs_customer_mode_and_amount(api: Api, missing: str, code_of: CodeOf) -> None:
    body = payment_body(await api.create("A"), 10, {})
    del body[missing]
    assert code_of(await api.post("/payments", body)) == (400, 4)


@pytest.mark.parametrize(
    "mode", ["check", "cash", "creditcard", "banktransfer", "bankremittance", "autotransaction", "others"]
)
async def test_the_documented_modes_are_accepted(api: Api, mode: str) -> None:
    payment_id = await api.pay(await api.create("A"), 10, {}, payment_mode=mode)
    assert (await api.payment(payment_id))["payment_mode"] == mode


async def test_what_does_not_exist_is_named_by_its_code(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    assert code_of(await api.post("/payments", payment_body("1", 10, {}))) == (400, 3004)
    assert code_of(await api.post("/payments", payment_body(customer_id, 10, {"1": 10}))) == (404, 1002)
    fields = [{"label": "Shoe Size", "value": "44"}]
    body = payment_body(customer_id, 10, {}, custom_fields=fields)
    assert code_of(await api.post("/payments", body)) == (400, 120129)
    for method in ("GET", "PUT", "DELETE"):
        assert code_of(await api.send(method, "/payments/1", body)) == (404, 1002)
    simulator.settings.missing_status = 400
    assert code_of(await api.get("/payments/1")) == (400, 1002)


async def test_unknown_keys_are_ignored_and_counted(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    rows = [{"invoice_id": invoice_id, "amount_applied": 10, "tax": 1}]
    await api.post("/payments", payment_body(customer_id, 10, {}, invoices=rows, notes="x"))
    assert simulator.statistics.unknown_keys == {"POST /payments": {"notes": 1, "invoices.tax": 1}}


async def test_more_than_the_balance_cannot_be_applied(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    refused = await api.post("/payments", payment_body(customer_id, 200, {invoice_id: 100.01}))
    assert refused.status_code == 400
    await api.pay(customer_id, 100, {invoice_id: 100})
    again = await api.post("/payments", payment_body(customer_id, 100, {invoice_id: 100}))
    assert again.status_code == 400
    assert await api.balances(customer_id) == (0, 0)


async def test_more_than_the_payment_cannot_be_applied(api: Api) -> None:
    customer_id = await api.create("A")
    first, second = await api.bill(customer_id, 100), await api.bill(customer_id, 100)
    reply = await api.post("/payments", payment_body(customer_id, 150, {first: 100, second: 50.01}))
    assert reply.status_code == 400
    assert await api.balances(customer_id) == (200, 0)


async def test_an_invoice_is_named_once(api: Api) -> None:
    customer_id = await api.create("A")
    row = {"invoice_id": await api.bill(customer_id, 100), "amount_applied": 60}
    body = payment_body(customer_id, 120, {}, invoices=[row, row])
    assert (await api.post("/payments", body)).status_code == 400


async def test_drafts_void_invoices_and_those_of_others_cannot_be_paid(api: Api) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    draft_id = await api.bill(customer_id, 100, opened=False)
    void_id = await api.bill(customer_id, 100)
    await api.post(f"/invoices/{void_id}/void")
    foreign_id = await api.bill(other_id, 100)
    for invoice_id in (draft_id, void_id, foreign_id):
        reply = await api.post("/payments", payment_body(customer_id, 100, {invoice_id: 100}))
        assert reply.status_code == 400
    assert await api.balances(customer_id) == (0, 0)


async def test_an_edit_replaces_what_the_payment_is_applied_to(api: Api, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    first, second = await api.bill(customer_id, 100), await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 100, {first: 100}, reference_number="p-1")
    link_id = (await api.invoice(first))["payments"][0]["invoice_payment_id"]
    clock.advance(60)
    reply = await api.put(f"/payments/{payment_id}", payment_body(customer_id, 150, {first: 90, second: 40}))
    assert (reply.status_code, reply.json()["message"]) == (200, "The payment details have been updated.")
    payment = await api.payment(payment_id)
    assert reply.json()["payment"] == payment
    assert (payment["amount"], payment["reference_number"]) == (150, "p-1")
    assert [(await api.invoice(each))["balance"] for each in (first, second)] == [10, 60]
    assert (await api.invoice(first))["payments"][0]["invoice_payment_id"] == link_id
    assert await api.balances(customer_id) == (70, 20)
    await api.put(f"/payments/{payment_id}", payment_body(customer_id, 150, {second: 100}))
    assert (await api.invoice(first))["payments"] == []
    assert [(await api.invoice(each))["status"] for each in (first, second)] == ["sent", "paid"]
    assert await api.balances(customer_id) == (100, 50)


async def test_an_edit_reaches_the_invoices_row(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 100, {invoice_id: 100})
    change = payment_body(customer_id, 100, {invoice_id: 100}, reference_number="p-2", payment_mode="cash")
    await api.put(f"/payments/{payment_id}", change)
    (row,) = (await api.invoice(invoice_id))["payments"]
    assert (row["reference_number"], row["payment_mode"]) == ("p-2", "cash")


async def test_edits_that_do_not_fit_change_nothing(api: Api, code_of: CodeOf) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 100, {invoice_id: 100})
    before = await api.payment(payment_id)
    path = f"/payments/{payment_id}"
    without = payment_body(customer_id, 100, {})
    del without["invoices"]
    assert code_of(await api.put(path, without)) == (400, 4)
    for change in (
        payment_body(other_id, 100, {}),
        payment_body(customer_id, 99, {invoice_id: 100}),
        payment_body(customer_id, 200, {invoice_id: 101}),
    ):
        assert (await api.put(path, change)).status_code == 400
    assert await api.payment(payment_id) == before


async def test_a_deleted_payment_leaves_its_invoices_owed(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    first, second = await api.bill(customer_id, 100), await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 250, {first: 100, second: 30})
    reply = await api.send("DELETE", f"/payments/{payment_id}")
    assert reply.json() == {"code": 0, "message": "The payment has been deleted."}
    for invoice_id in (first, second):
        invoice = await api.invoice(invoice_id)
        assert (invoice["status"], invoice["balance"], invoice["payments"]) == ("sent", 100, [])
    assert await api.balances(customer_id) == (200, 0)
    assert code_of(await api.send("DELETE", f"/payments/{payment_id}")) == (404, 1002)


async def test_a_customer_with_payments_is_not_deleted(api: Api) -> None:
    customer_id = await api.create("A")
    payment_id = await api.pay(customer_id, 10, {})
    assert (await api.send("DELETE", f"/customers/{customer_id}")).status_code == 400
    await api.send("DELETE", f"/payments/{payment_id}")
    assert (await api.send("DELETE", f"/customers/{customer_id}")).status_code == 200


async def references(api: Api, **parameters: str) -> list[str]:
    reply = await api.get("/payments", **parameters)
    assert reply.status_code == 200, reply.text
    return [row["reference_number"] for row in reply.json()["payments"]]


async def test_payments_are_listed_by_customer_and_reference(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    first, second = await api.create("A"), await api.create("B")
    for customer_id, reference in ((first, "p-1"), (second, "p-2"), (first, "p-3")):
        await api.pay(customer_id, 10, {}, reference_number=reference)
    assert await references(api) == ["p-1", "p-2", "p-3"]
    assert await references(api, customer_id=first) == ["p-1", "p-3"]
    assert await references(api, reference_number="p-2") == ["p-2"]
    assert await references(api, reference_number="p-2", customer_id=first) == []
    assert await references(api, page="2", per_page="2") == ["p-3"]
    simulator.settings.list_lag_seconds = 20
    assert await references(api, reference_number="p-2") == []
    clock.advance(20)
    assert await references(api, reference_number="p-2") == ["p-2"]


@pytest.mark.parametrize(
    ("change", "status", "rows"),
    [
        ({"payments_list": Undocumented.ON}, 200, 1),
        ({"payments_list": Undocumented.IGNORED}, 200, 3),
        ({"payments_list": Undocumented.BAD_REQUEST}, 400, 0),
        ({"payments_list": Undocumented.NOT_FOUND}, 404, 0),
        ({"payments_reference": Undocumented.IGNORED}, 200, 2),
        ({"payments_reference": Undocumented.BAD_REQUEST}, 400, 0),
        ({"payments_reference": Undocumented.NOT_FOUND}, 404, 0),
    ],
)
async def test_the_undocumented_list_can_be_switched(api: Api, change: dict[str, str], status: int, rows: int) -> None:
    first, second = await api.create("A"), await api.create("B")
    for customer_id, reference in ((first, "p-1"), (second, "p-2"), (first, "p-3")):
        await api.pay(customer_id, 10, {}, reference_number=reference)
    await api.control("PATCH", "/settings", {"undocumented": change})
    reply = await api.get("/payments", customer_id=first, reference_number="p-1")
    assert reply.status_code == status
    assert len(reply.json().get("payments", [])) == rows


async def test_a_lost_reply_leaves_the_payment_in_the_books(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    simulator.faults.plant("done_then_lost", "POST", "/payments")
    with pytest.raises(httpx.TransportError):
        await api.pay(customer_id, 100, {invoice_id: 100}, reference_number="p-1")
    (row,) = (await api.invoice(invoice_id))["payments"]
    assert row["reference_number"] == "p-1"
    assert simulator.statistics.creates["payments"] == {"reference_number": {"p-1": 1}}
