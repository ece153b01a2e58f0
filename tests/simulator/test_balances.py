"""Whatever is done in whatever order, what stands on a customer is what stands on its invoices and payments."""

from decimal import Decimal
from random import Random

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.accounts import applied, owed, unused
from outbox.simulator.books import Books

from .conftest import Api, payment_body

pytestmark = pytest.mark.anyio


def assert_in_line(books: Books) -> None:
    for customer in books.customers:
        invoices = books.invoices.having("customer_id", customer["customer_id"])
        payments = books.payments.having("customer_id", customer["customer_id"])
        assert Decimal(customer["outstanding"]) == sum(map(owed, invoices))
        assert Decimal(customer["outstanding_receivable_amount"]) == sum(map(owed, invoices))
        assert Decimal(customer["unused_credits"]) == sum(map(unused, payments))
    on_invoices = {
        (invoice["invoice_id"], row["payment_id"]): row["amount"]
        for invoice in books.invoices
        for row in invoice["payments"]
    }
    on_payments = {
        (row["invoice_id"], payment["payment_id"]): row["amount_applied"]
        for payment in books.payments
        for row in payment["invoices"]
    }
    assert on_invoices == on_payments
    for invoice in books.invoices:
        assert invoice["status"] == "void" or invoice["balance"] == invoice["total"] - invoice["payment_made"]
        assert invoice["balance"] >= 0
    for payment in books.payments:
        assert applied(payment) <= payment["amount"]


@pytest.mark.parametrize("seed", range(4))
async def test_balances_stay_in_line(api: Api, simulator: RunningSimulator, seed: int) -> None:
    dice = Random(seed)
    books = simulator.simulator.books
    customers = [await api.create(name) for name in "AB"]
    statuses: set[tuple[str, int]] = set()
    for _ in range(150):
        customer_id = dice.choice(customers)
        invoice_id = dice.choice([row["invoice_id"] for row in books.invoices] or ["1"])
        payment_id = dice.choice([row["payment_id"] for row in books.payments] or ["1"])
        line = {"name": "Internet", "price": dice.randint(1, 20), "quantity": dice.randint(1, 3)}
        bill = {"customer_id": customer_id, "date": "2026-11-20", "invoice_items": [line]}
        amount = dice.randint(1, 20)
        payment = payment_body(
            customer_id, amount, {invoice_id: dice.randint(1, amount)} if dice.random() < 0.8 else {}
        )
        action, method, path, body = dice.choice(
            [
                ("bill", "POST", "/invoices?send=true", bill),
                ("bill", "POST", "/invoices", bill),
                ("change", "PUT", f"/invoices/{invoice_id}", bill),
                ("open", "POST", f"/invoices/{invoice_id}/converttoopen", None),
                ("void", "POST", f"/invoices/{invoice_id}/void", None),
                ("delete", "DELETE", f"/invoices/{invoice_id}", None),
                ("pay", "POST", "/payments", payment),
                ("pay", "POST", "/payments", payment),
                ("change payment", "PUT", f"/payments/{payment_id}", payment),
                ("delete payment", "DELETE", f"/payments/{payment_id}", None),
                ("refund", "POST", f"/payments/{payment_id}/refunds", {"amount": dice.randint(1, 5)}),
            ]
        )
        reply = await api.send(method, path, body)
        assert reply.status_code in {200, 201, 400, 404}, reply.text
        statuses.add((action, reply.status_code // 100))
        assert_in_line(books)
    assert {action for action, status in statuses if status == 2} >= {"bill", "change", "open", "void", "pay", "refund"}
