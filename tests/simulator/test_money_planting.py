from typing import Any

import pytest

from outbox.simulator import RunningSimulator

from .conftest import Api

pytestmark = pytest.mark.anyio


async def test_a_planted_invoice_is_open_and_owed(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A", email="a@example.com")
    plant = simulator.simulator.plant_invoice
    invoice = await api.invoice(plant(customer_id=customer_id, number="CT-1", invoice_date="2026-11-01", total=115.5))
    assert (invoice["invoice_number"], invoice["number"], invoice["date"]) == ("CT-1", "CT-1", "2026-11-01")
    assert (invoice["status"], invoice["total"], invoice["balance"]) == ("sent", 115.5, 115.5)
    assert (invoice["customer_name"], invoice["email"]) == ("A", "a@example.com")
    assert await api.balances(customer_id) == (115.5, 0)
    assert simulator.statistics.creates.get("invoices") is None


async def test_planted_lines_are_added_up(api: Api, simulator: RunningSimulator) -> None:
    invoice_id = simulator.simulator.plant_invoice(
        customer_id=await api.create("A"),
        subscription_id="77",
        is_inclusive_tax=True,
        adjustment="0.02",
        invoice_items=[{"name": "Internet", "price": 115, "quantity": 2}],
        custom_fields=[{"label": "External ID", "value": "1"}],
    )
    invoice = await api.invoice(invoice_id)
    assert (invoice["invoice_number"], invoice["tax_total"], invoice["total"]) == ("INV-000001", 30, 230.02)
    assert invoice["custom_fields"][0]["value"] == "1"
    assert len((await api.get("/invoices", subscription_id="77")).json()["invoices"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "balance", "owed"),
    [
        ({"status": "draft"}, "draft", 100, 0),
        ({"status": "paid"}, "paid", 0, 0),
        ({"status": "void"}, "void", 0, 0),
        ({"status": "overdue"}, "overdue", 100, 100),
        ({"status": "overdue", "due_date": "2026-11-01"}, "overdue", 100, 100),
        ({"balance": 30}, "partially_paid", 30, 30),
        ({"payment_made": 70}, "partially_paid", 30, 30),
    ],
)
async def test_a_planted_invoice_has_the_state_that_is_asked(
    api: Api, simulator: RunningSimulator, fields: dict[str, Any], status: str, balance: float, owed: float
) -> None:
    customer_id = await api.create("A")
    invoice = await api.invoice(simulator.simulator.plant_invoice(customer_id=customer_id, total=100, **fields))
    assert (invoice["status"], invoice["balance"]) == (status, balance)
    assert await api.balances(customer_id) == (owed, 0)


async def test_what_a_planted_invoice_was_paid_counts_with_later_payments(
    api: Api, simulator: RunningSimulator
) -> None:
    customer_id = await api.create("A")
    invoice_id = simulator.simulator.plant_invoice(customer_id=customer_id, total=100, balance=30)
    await api.pay(customer_id, 30, {invoice_id: 30})
    invoice = await api.invoice(invoice_id)
    assert (invoice["status"], invoice["payment_made"], invoice["balance"]) == ("paid", 100, 0)


async def test_planted_payments_and_refunds_count_as_if_they_were_made(api: Api, simulator: RunningSimulator) -> None:
    books = simulator.simulator
    customer_id = await api.create("A")
    invoice_id = books.plant_invoice(customer_id=customer_id, total=100)
    payment_id = books.plant_payment(
        customer_id=customer_id,
        amount=150,
        reference_number="p-1",
        payment_mode="cash",
        invoices=[{"invoice_id": invoice_id, "amount_applied": 100}],
        custom_fields=[{"label": "External ID", "value": "1"}],
    )
    assert await api.balances(customer_id) == (0, 50)
    payment = await api.payment(payment_id)
    assert (payment["customer_name"], payment["payment_number"]) == ("A", "1")
    assert payment["custom_fields"][0]["label"] == "External ID"
    assert (await api.invoice(invoice_id))["payments"][0]["reference_number"] == "p-1"
    refund_id = books.plant_refund(payment_id=payment_id, amount=20)
    assert (await api.payment(payment_id))["amount_refunded"] == 20
    assert (await api.get(f"/creditnotes/refunds/{refund_id}")).json()["refund"]["customer_id"] == customer_id
    assert await api.balances(customer_id) == (0, 30)
    assert simulator.statistics.creates.get("payments") is None


async def test_edits_by_hand_keep_all_in_line(api: Api) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    invoice_id = await api.bill(customer_id, 100, invoice_number="CT-1")
    payment_id = await api.pay(customer_id, 60, {invoice_id: 60})

    async def edit(name: str, record_id: str, fields: dict[str, Any]) -> None:
        reply = await api.control("PATCH", f"/records/{name}/{record_id}", fields)
        assert reply.status_code == 200, reply.text

    await edit("invoices", invoice_id, {"adjustment": 5, "invoice_number": "CT-2"})
    invoice = await api.invoice(invoice_id)
    assert (invoice["total"], invoice["number"], invoice["balance"]) == (105, "CT-2", 45)
    await edit("payments", payment_id, {"amount": 80, "reference_number": "by hand"})
    assert await api.balances(customer_id) == (45, 20)
    assert (await api.invoice(invoice_id))["payments"][0]["reference_number"] == "by hand"
    await edit("payments", payment_id, {"invoices": []})
    assert await api.balances(customer_id) == (105, 80)
    await edit("payments", payment_id, {"invoices": [{"invoice_id": invoice_id, "amount_applied": 80}]})
    await edit("invoices", invoice_id, {"status": "void"})
    assert (await api.payment(payment_id))["invoices"] == []
    assert await api.balances(customer_id) == (0, 80)
    await edit("invoices", invoice_id, {"status": "sent", "customer_id": other_id})
    assert [await api.balances(each) for each in (customer_id, other_id)] == [(0, 80), (105, 0)]
    await edit("invoices", invoice_id, {"status": "paid"})
    assert await api.balances(other_id) == (0, 0)


async def test_deletions_by_hand_keep_all_in_line(api: Api) -> None:
    customer_id = await api.create("A")
    first, second = await api.bill(customer_id, 100), await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 200, {first: 100, second: 100})
    refund_id = (await api.post(f"/payments/{payment_id}/refunds", {"amount": 50})).json()["refund"]["refund_id"]

    async def remove(name: str, record_id: str) -> None:
        assert (await api.control("DELETE", f"/records/{name}/{record_id}")).status_code == 200
        assert (await api.control("DELETE", f"/records/{name}/{record_id}")).status_code == 404

    await remove("refunds", refund_id)
    assert (await api.payment(payment_id))["amount_refunded"] == 0
    await remove("invoices", first)
    assert await api.balances(customer_id) == (0, 100)
    await remove("payments", payment_id)
    assert await api.balances(customer_id) == (100, 0)
    assert (await api.invoice(second))["payments"] == []


@pytest.mark.parametrize(
    "records",
    [
        {"invoices": [{"shoe_size": 44}]},
        {"invoices": [{"invoice_items": [{"name": "A", "price": 5, "tax_id": "1"}]}]},
        {"invoices": [{"invoice_items": [{"name": "A"}]}]},
        {"invoices": [{"total": "much"}]},
        {"invoices": [{"payments": [{"payment_id": "1"}]}]},
        {"invoices": [{"custom_fields": [{"label": "Shoe Size", "value": "44"}]}]},
        {"payments": [{"amount": 5, "invoices": [{"invoice_id": "1", "amount_applied": 5}]}]},
        {"payments": [{"amount": 5, "invoices": [{}]}]},
        {"payments": [{"amount": 5, "line_items": []}]},
        {"refunds": [{"payment_id": "1", "amount": 5}]},
    ],
)
async def test_records_that_cannot_exist_are_refused(api: Api, records: dict[str, Any]) -> None:
    reply = await api.control("POST", "/records", records)
    assert reply.status_code == 400
    assert reply.json()["error"]
    books = (await api.control("GET", "/books")).json()
    assert [books[name] for name in ("invoices", "payments", "refunds")] == [[], [], []]


async def test_holdings_show_all_with_what_replies_hide(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 40, {invoice_id: 40})
    await api.post(f"/payments/{payment_id}/refunds", {"amount": 1})
    books = (await api.control("GET", "/books")).json()
    (invoice,), (payment,), (refund,) = books["invoices"], books["payments"], books["refunds"]
    assert invoice["subscription_id"] == ""
    assert {name: invoice[name] for name in await api.invoice(invoice_id)} == await api.invoice(invoice_id)
    assert payment == await api.payment(payment_id)
    assert refund["payment_id"] == payment_id
    assert [tax["tax_name"] for tax in books["taxes"]] == ["Standard Rate", "Zero Rate"]
