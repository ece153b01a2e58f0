"""Refunds of payments: a credit note is made and paid back (refunds.yml, sheet 2.5)."""

from http import HTTPStatus

from outbox.simulator.accounts import put_payment
from outbox.simulator.allocation import put_on
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date, zoho_time
from outbox.simulator.money import NOTHING, exact, sent_cents
from outbox.simulator.payment_refusals import above_refundable, not_refundable, refund_missing
from outbox.simulator.payments import existing
from outbox.simulator.replies import Creation, Reply, bad_value, success

REFUND_FIELDS = frozenset({"amount", "description"})
"""Keys of refund-a-payment-request."""

HIDDEN = frozenset({"payment_id", "created_time", "updated_time"})
"""Held but not shown: a refund names its credit note, and not the payment."""


def create(call: Call) -> Reply:
    """``POST /payments/{payment_id}/refunds``: 201; never more in all than the payment's amount.

    Nothing makes it idempotent below that. The invoices stay paid: what is paid back is the credit note.
    """
    payment = existing(call)
    sent = call.body_object(REFUND_FIELDS)
    amount = sent_cents("amount", sent.get("amount"), call.books.organisation.price_precision)
    if amount <= 0:
        raise bad_value("amount")
    if not isinstance(sent.get("description", ""), str):
        raise bad_value("description")
    if call.settings.payments.refund_only_automatic and payment["payment_mode"] != "autotransaction":
        raise not_refundable()
    refunded = exact(payment["amount_refunded"]) + amount
    if refunded > exact(payment["amount"]):
        raise above_refundable()
    books = call.books
    refund = blank_refund(books, call.now)
    for name in ("customer_id", "email", "payment_id"):
        refund[name] = payment[name]
    refund["amount"] = amount
    refund["description"] = sent.get("description", "")
    refund["refund_mode"] = payment["payment_mode"]
    refund["creditnote"].update(amount=amount, refund_amount=amount)
    books.refunds.put(refund, call.now)
    changed = {**payment, "amount_refunded": refunded, "updated_time": zoho_time(call.now, books.zone)}
    put_payment(books, changed)
    put_on(books, changed, call.now)
    return success(
        "The refund information has been saved.",
        {"refund": as_read(refund)},
        status=HTTPStatus.CREATED,
        creation=Creation("refunds", {"payment_id": payment["payment_id"]}),
    )


def read(call: Call) -> Reply:
    """``GET /creditnotes/refunds/{refund_id}``: 200, or 1002."""
    refund = call.books.refunds.get(call.arguments["refund_id"])
    if refund is None:
        raise refund_missing(call.settings.missing_status)
    return success("success", {"refund": as_read(refund)})


def blank_refund(books: Books, now: float) -> Record:
    """A refund of nothing, with its credit note."""
    organisation = books.organisation
    today = zoho_date(now, books.zone).isoformat()
    time = zoho_time(now, books.zone)
    return {
        "refund_id": books.next_id(),
        "payment_id": "",
        "date": today,
        "amount": NOTHING,
        "description": "",
        "reference_number": "",
        "refund_mode": "others",
        "status": "success",
        "customer_id": "",
        "email": "",
        "creditnote": {
            "creditnote_id": books.next_id(),
            "creditnote_number": f"CN-{books.next_number('creditnotes'):05}",
            "date": today,
            "amount": NOTHING,
            "refund_amount": NOTHING,
            "balance_amount": NOTHING,
        },
        "autotransaction": {},
        "currency_code": organisation.currency_code,
        "currency_symbol": organisation.currency_symbol,
        "created_time": time,
        "updated_time": time,
    }


def as_read(refund: Record) -> Record:
    """The refund as its reply shows it."""
    return {name: value for name, value in refund.items() if name not in HIDDEN}
