from typing import Any

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.clock import SimulatorClock

from .conftest import Api

pytestmark = pytest.mark.anyio


async def rows(api: Api, **parameters: str) -> list[dict[str, Any]]:
    reply = await api.get("/transactions", **parameters)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["transactions"]
    return found


async def test_what_happened_is_listed_by_customer_and_type(api: Api) -> None:
    customer_id, other_id = await api.create("A"), await api.create("B")
    invoice_id = await api.bill(customer_id, 100, date="2026-11-18", due_date="2026-11-19")
    payment_id = await api.pay(customer_id, 40, {invoice_id: 40}, date="2026-11-17", reference_number="p-1")
    refund = (await api.post(f"/payments/{payment_id}/refunds", {"amount": 1})).json()["refund"]
    await api.bill(other_id, 50)
    found = await rows(api, customer_id=customer_id)
    shown = [(row["transaction_id"], row["type"], row["date"], row["status"], row["amount"]) for row in found]
    assert shown[:2] == [
        (invoice_id, "invoice", "2026-11-18", "overdue", "100.00"),
        (payment_id, "payment", "2026-11-17", "success", "40.00"),
    ]
    assert {row[0]: row[1:] for row in shown[2:]} == {
        refund["refund_id"]: ("refund", "2026-11-20", "success", "1.00"),
        refund["creditnote"]["creditnote_id"]: ("credit", "2026-11-20", "closed", "1.00"),
    }
    assert not any("p-1" in row.values() for row in found)
    for kind in ("INVOICE", "PAYMENT", "CREDIT", "REFUND"):
        chosen = await rows(api, customer_id=customer_id, filter_by=f"TransactionType.{kind}")
        assert [row["type"] for row in chosen] == [kind.lower()]
    assert len(await rows(api)) == 5


async def test_a_payments_transaction_leads_to_the_payment(api: Api) -> None:
    customer_id = await api.create("A")
    await api.pay(customer_id, 40, {}, reference_number="p-1")
    (row,) = await rows(api, customer_id=customer_id, filter_by="TransactionType.PAYMENT")
    assert (await api.payment(row["transaction_id"]))["reference_number"] == "p-1"


async def test_planted_transactions_stand_beside_the_others(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A")
    await api.pay(customer_id, 40, {})
    simulator.simulator.plant_transaction(customer_id=customer_id, type="credit", amount="20.50")
    assert [row["type"] for row in await rows(api, customer_id=customer_id)] == ["payment", "credit"]


async def test_transactions_have_pages_and_a_lag(api: Api, simulator: RunningSimulator, clock: SimulatorClock) -> None:
    customer_id = await api.create("A")
    simulator.settings.list_lag_seconds = 20
    payment_id = await api.pay(customer_id, 40, {})
    clock.advance(10)
    await api.bill(customer_id, 100)
    assert await rows(api) == []
    clock.advance(10)
    assert [row["transaction_id"] for row in await rows(api)] == [payment_id]
    clock.advance(10)
    assert [row["type"] for row in await rows(api, page="2", per_page="1")] == ["invoice"]
    assert (await api.get("/transactions", filter_by="Odd")).status_code == 400


async def test_what_is_deleted_is_listed_no_longer(api: Api) -> None:
    payment_id = await api.pay(await api.create("A"), 40, {})
    await api.send("DELETE", f"/payments/{payment_id}")
    assert await rows(api) == []
