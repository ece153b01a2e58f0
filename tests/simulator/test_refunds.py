from collections.abc import Callable
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator

from .conftest import Api, payment_body

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]


async def test_a_refund_names_its_credit_note_and_counts_on_the_payment(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A", email="a@example.com")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 100, {invoice_id: 100})
    reply = await api.post(f"/payments/{payment_id}/refunds", {"amount": 100, "description": "Refunded"})
    assert (reply.status_code, reply.json()["message"]) == (201, "The refund information has been saved.")
    refund = reply.json()["refund"]
    assert (refund["amount"], refund["status"], refund["refund_mode"]) == (100, "success", "banktransfer")
    assert (refund["customer_id"], refund["email"], refund["date"]) == (customer_id, "a@example.com", "2026-11-20")
    assert refund["description"] == "Refunded"
    note = refund["creditnote"]
    assert note["creditnote_number"].startswith("CN-")
    assert (note["amount"], note["refund_amount"], note["balance_amount"]) == (100, 100, 0)
    assert "payment_id" not in refund
    assert (await api.get(f"/creditnotes/refunds/{refund['refund_id']}")).json()["refund"] == refund
    payment = await api.payment(payment_id)
    assert (payment["amount"], payment["amount_refunded"], payment["status"]) == (100, 100, "success")
    invoice = await api.invoice(invoice_id)
    assert (invoice["status"], invoice["payments"][0]["amount_refunded"]) == ("paid", 100)
    assert await api.balances(customer_id) == (0, 0)
    assert simulator.statistics.creates["refunds"] == {"payment_id": {payment_id: 1}}


async def test_never_more_than_the_payment_is_refunded(api: Api) -> None:
    payment_id = await api.pay(await api.create("A"), 100, {})
    path = f"/payments/{payment_id}/refunds"
    assert (await api.post(path, {"amount": 100.01})).status_code == 400
    assert (await api.post(path, {"amount": 60})).status_code == 201
    assert (await api.post(path, {"amount": 60})).status_code == 400
    assert (await api.post(path, {"amount": 40})).status_code == 201
    assert (await api.payment(payment_id))["amount_refunded"] == 100


async def test_a_refund_takes_the_unapplied_part_first(api: Api) -> None:
    customer_id = await api.create("A")
    invoice_id = await api.bill(customer_id, 100)
    payment_id = await api.pay(customer_id, 150, {invoice_id: 100})
    for amount, credit in ((20, 30), (50, 0)):
        await api.post(f"/payments/{payment_id}/refunds", {"amount": amount})
        assert await api.balances(customer_id) == (0, credit)


@pytest.mark.parametrize(
    "body", [{}, {"amount": 0}, {"amount": -1}, {"amount": "x"}, {"amount": 0.001}, {"amount": 1, "description": 5}]
)
async def test_bodies_that_do_not_fit_are_400_4(api: Api, body: dict[str, Any], code_of: CodeOf) -> None:
    payment_id = await api.pay(await api.create("A"), 100, {})
    assert code_of(await api.post(f"/payments/{payment_id}/refunds", body)) == (400, 4)
    assert (await api.payment(payment_id))["amount_refunded"] == 0


async def test_what_does_not_exist_is_1002(api: Api, code_of: CodeOf) -> None:
    assert code_of(await api.post("/payments/1/refunds", {"amount": 1})) == (404, 1002)
    assert code_of(await api.get("/creditnotes/refunds/1")) == (404, 1002)


async def test_refunds_can_be_for_automatic_payments_alone(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.payments.refund_only_automatic = True
    customer_id = await api.create("A")
    for mode, status in (("banktransfer", 400), ("autotransaction", 201)):
        payment_id = await api.pay(customer_id, 100, {}, payment_mode=mode)
        assert (await api.post(f"/payments/{payment_id}/refunds", {"amount": 1})).status_code == status


async def test_a_refunded_payment_is_neither_deleted_nor_made_smaller(api: Api) -> None:
    customer_id = await api.create("A")
    payment_id = await api.pay(customer_id, 100, {})
    await api.post(f"/payments/{payment_id}/refunds", {"amount": 60})
    assert (await api.send("DELETE", f"/payments/{payment_id}")).status_code == 400
    assert (await api.put(f"/payments/{payment_id}", payment_body(customer_id, 59, {}))).status_code == 400
    assert (await api.put(f"/payments/{payment_id}", payment_body(customer_id, 60, {}))).status_code == 200
    assert await api.balances(customer_id) == (0, 0)


async def test_a_lost_reply_leaves_the_refund_in_the_books(api: Api, simulator: RunningSimulator) -> None:
    payment_id = await api.pay(await api.create("A"), 100, {})
    simulator.faults.plant("done_then_lost", "POST", "/payments/*/refunds")
    with pytest.raises(httpx.TransportError):
        await api.post(f"/payments/{payment_id}/refunds", {"amount": 100})
    assert (await api.payment(payment_id))["amount_refunded"] == 100
