"""The list of what happened on a customer's account (sheet 2.1)."""

from collections.abc import Iterator

from outbox.simulator.books import Record
from outbox.simulator.calls import Call
from outbox.simulator.paging import list_reply
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
    """``GET /transactions?customer_id=&filter_by=``."""
    wanted = call.query.get("filter_by", "TransactionType.All")
    if wanted not in TYPES_BY_FILTER:
        raise bad_parameter("filter_by")
    transactions = call.books.transactions
    customer_id = call.query.get("customer_id")
    rows: Iterator[Record] = iter(
        transactions if customer_id is None else transactions.having("customer_id", customer_id)
    )
    kind = TYPES_BY_FILTER[wanted]
    if kind is not None:
        rows = (row for row in rows if row["type"] == kind)
    return list_reply(
        call,
        "transactions",
        rows,
        of=transactions,
        thin=dict,
        report_name="All Transactions",
        applied_filter=wanted,
    )
