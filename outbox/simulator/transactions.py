"""The list of what happened on a customer's account (sheet 2.1): invoices, payments, refunds with the credit
notes they make, and transactions that were planted bare."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from outbox.simulator import undocumented
from outbox.simulator.books import Collection, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date
from outbox.simulator.invoice_records import as_read
from outbox.simulator.money import exact
from outbox.simulator.paging import page_reply, shown_if_created_before
from outbox.simulator.replies import Reply, bad_parameter

TYPES_BY_FILTER: dict[str, str | None] = {
    "TransactionType.All": None,
    "TransactionType.INVOICE": "invoice",
    "TransactionType.PAYMENT": "payment",
    "TransactionType.CREDIT": "credit",
    "TransactionType.REFUND": "refund",
}

DEFAULTS: Record = {
    "customer_id": "",
    "reference_id": "",
    "date": "",
    "type": "invoice",
    "status": "",
    "amount": "0.00",
}
"""A transaction's fields; `amount` is text in the specification."""


def list_all(call: Call) -> Reply:
    """``GET /transactions?customer_id=&filter_by=``, oldest first.

    A row's transaction_id is the id of the invoice, payment, refund or credit note (for payments the sheet
    says so, section 4; for the others it is a guess); reference_number stands in none of them.
    """
    wanted = call.query.get("filter_by", "TransactionType.All")
    if wanted not in TYPES_BY_FILTER:
        raise bad_parameter("filter_by")
    kind = TYPES_BY_FILTER[wanted]
    rows = [row for row in _rows(call) if kind is None or row["type"] == kind]
    rows.sort(key=lambda row: (len(row["transaction_id"]), row["transaction_id"]))
    return page_reply(
        call,
        "transactions",
        iter(rows),
        thin=dict,
        report_name="All Transactions",
        applied_filter=wanted,
        sort_column="transaction_id",
    )


def _rows(call: Call) -> Iterator[Record]:
    books = call.books
    today = zoho_date(call.now, books.zone)
    sources: tuple[tuple[Collection, Callable[[Record, date], Iterator[Record]]], ...] = (
        (books.transactions, _planted),
        (books.invoices, _of_invoice),
        (books.payments, _of_payment),
        (books.refunds, _of_refund),
    )
    asked = undocumented.sent(call, "customer_id")
    before = shown_if_created_before(call)
    for collection, rows_of in sources:
        for record in collection.listed(collection.matching(asked), before):
            yield from rows_of(record, today)


def _planted(transaction: Record, _today: date) -> Iterator[Record]:
    yield transaction


def _of_invoice(invoice: Record, today: date) -> Iterator[Record]:
    yield _row(invoice, invoice["invoice_id"], "invoice", as_read(invoice, today)["status"], invoice["total"])


def _of_payment(payment: Record, _today: date) -> Iterator[Record]:
    yield _row(payment, payment["payment_id"], "payment", payment["status"], payment["amount"])


def _of_refund(refund: Record, _today: date) -> Iterator[Record]:
    note = refund["creditnote"]
    yield _row(refund, note["creditnote_id"], "credit", "closed", refund["amount"])
    yield _row(refund, refund["refund_id"], "refund", refund["status"], refund["amount"])


def _row(record: Record, transaction_id: str, kind: str, status: str, amount: Any) -> Record:
    return {
        "transaction_id": transaction_id,
        "reference_id": transaction_id,
        "customer_id": record["customer_id"],
        "date": record["date"],
        "type": kind,
        "status": status,
        "amount": f"{exact(amount):.2f}",
    }
