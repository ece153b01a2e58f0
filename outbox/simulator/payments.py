"""Payments: create, read, change, delete, and the list that no specification has (sheet 2.5)."""

from http import HTTPStatus
from typing import Any

from outbox.simulator import custom_fields, undocumented
from outbox.simulator.accounts import put_payment, remove_payment
from outbox.simulator.allocation import checked_rows, put_on, take_from
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date, zoho_time
from outbox.simulator.invoice_bodies import sent_date
from outbox.simulator.money import NOTHING, exact, sent_amount, sent_cents
from outbox.simulator.paging import list_reply
from outbox.simulator.payment_refusals import (
    amount_below_refunds,
    of_another_customer,
    payment_has_refunds,
    payment_missing,
    reference_taken,
)
from outbox.simulator.replies import (
    Creation,
    Reply,
    bad_parameter,
    bad_value,
    customer_missing,
    success,
    unknown_address,
)
from outbox.simulator.settings import Undocumented

MODES = frozenset({"check", "cash", "creditcard", "banktransfer", "bankremittance", "autotransaction", "others"})

TEXT_FIELDS: dict[str, int | None] = {
    "customer_id": None,
    "payment_mode": None,
    "reference_number": 50,
    "description": 2000,
    "tax_account_id": None,
    "account_id": None,
}
"""Text fields with the longest value where the sheet has a (guessed) figure."""

PAYMENT_FIELDS = frozenset(TEXT_FIELDS) | {
    "amount",
    "date",
    "invoices",
    "exchange_rate",
    "bank_charges",
    "custom_fields",
}
"""Keys of create-a-payment-request and update-a-payment-request."""


def create(call: Call) -> Reply:
    """``POST /payments``: 201. What is not applied to invoices becomes the customer's credit.

    Nothing makes it idempotent: a repeated reference_number is another payment; only the balance of the
    invoices stands in the way (sheet 2.5).
    """
    sent = _read_body(call)
    customer = call.books.customers.get(sent["customer_id"])
    if customer is None:
        raise customer_missing()
    reference = sent.get("reference_number", "")
    taken = reference and call.settings.payments.unique_references
    if taken and any(call.books.payments.having("reference_number", reference)):
        raise reference_taken()
    rows = checked_rows(call, sent.get("invoices", []), customer_id=sent["customer_id"], amount=sent["amount"])
    payment = blank_payment(call.books, call.now)
    pay_by(payment, customer)
    payment["payment_number"] = next_number(call.books)
    _write(call, payment, sent)
    payment["invoices"] = rows
    put_payment(call.books, payment, call.now)
    put_on(call.books, payment, call.now)
    keys = custom_fields.keys_of(payment)
    if payment["reference_number"]:
        keys["reference_number"] = payment["reference_number"]
    return success(
        "The payment has been created.",
        {"payment": as_read(call.books, payment)},
        status=HTTPStatus.CREATED,
        creation=Creation("payments", keys),
    )


def list_all(call: Call) -> Reply:
    """``GET /payments``, in no specification; with customer_id and reference_number where they count."""
    switches = call.settings.undocumented
    match switches.payments_list:
        case Undocumented.BAD_REQUEST:
            raise bad_parameter("customer_id")
        case Undocumented.NOT_FOUND:
            raise unknown_address()
        case Undocumented.IGNORED:
            asked: dict[str, str] = {}
        case Undocumented.ON:
            asked = undocumented.sent(call, "customer_id")
            asked |= undocumented.honoured(call, "reference_number", switches.payments_reference)
    payments = call.books.payments
    return list_reply(
        call,
        "payments",
        payments.matching(asked),
        of=payments,
        thin=lambda row: as_read(call.books, row),
        report_name="All Payments",
        applied_filter="Status.All",
    )


def read(call: Call) -> Reply:
    """``GET /payments/{payment_id}``: 200, or 1002."""
    return success("success", {"payment": as_read(call.books, existing(call))})


def update(call: Call) -> Reply:
    """``PUT /payments/{payment_id}``: 200. ``invoices`` is required and replaces what the payment was applied
    to; any other field not sent stays. The customer stays the same (a guess)."""
    old = existing(call)
    sent = _read_body(call)
    if sent["customer_id"] != old["customer_id"]:
        raise of_another_customer()
    if "invoices" not in sent:
        raise bad_value("invoices")
    if sent["amount"] < old["amount_refunded"]:
        raise amount_below_refunds()
    rows = checked_rows(
        call,
        sent["invoices"],
        customer_id=old["customer_id"],
        amount=sent["amount"],
        payment_id=old["payment_id"],
    )
    changed = dict(old)
    _write(call, changed, sent)
    changed["invoices"] = rows
    changed["updated_time"] = zoho_time(call.now, call.books.zone)
    kept = {row["invoice_id"] for row in rows}
    gone = [row for row in old["invoices"] if row["invoice_id"] not in kept]
    take_from(call.books, {**old, "invoices": gone}, call.now)
    put_payment(call.books, changed)
    put_on(call.books, changed, call.now)
    return success("The payment details have been updated.", {"payment": as_read(call.books, changed)})


def delete(call: Call) -> Reply:
    """``DELETE /payments/{payment_id}``: 200; its invoices are owed again. Refused with refunds (a guess)."""
    payment = existing(call)
    if exact(payment["amount_refunded"]):
        raise payment_has_refunds()
    take_from(call.books, payment, call.now)
    remove_payment(call.books, payment["payment_id"])
    return success("The payment has been deleted.")


def existing(call: Call) -> Record:
    """The payment of the path. Raises Refusal 1002."""
    payment = call.books.payments.get(call.arguments["payment_id"])
    if payment is None:
        raise payment_missing(call.settings.missing_status)
    return payment


def blank_payment(books: Books, now: float) -> Record:
    """A payment of nothing; it has an id and no number yet."""
    organisation = books.organisation
    time = zoho_time(now, books.zone)
    return {
        "payment_id": books.next_id(),
        "payment_number": "",
        "payment_mode": "others",
        "amount": NOTHING,
        "amount_refunded": NOTHING,
        "bank_charges": 0,
        "exchange_rate": 1,
        "date": zoho_date(now, books.zone).isoformat(),
        "status": "success",
        "reference_number": "",
        "description": "",
        "customer_id": "",
        "customer_name": "",
        "email": "",
        "account_id": "",
        "tax_account_id": "",
        "autotransaction": {},
        "invoices": [],
        "currency_code": organisation.currency_code,
        "currency_symbol": organisation.currency_symbol,
        "custom_fields": [],
        "created_time": time,
        "updated_time": time,
    }


def pay_by(payment: Record, customer: Record) -> None:
    """Put the customer on `payment`."""
    payment["customer_id"] = customer["customer_id"]
    payment["customer_name"] = customer["display_name"]
    payment["email"] = customer["email"]


def next_number(books: Books) -> str:
    """The next of Zoho's payment numbers, which are plain numbers."""
    return str(books.next_number("payments"))


def as_read(books: Books, payment: Record) -> Record:
    """The payment with what its invoices say now."""
    return {**payment, "invoices": [_shown_row(books, row) for row in payment["invoices"]]}


def _shown_row(books: Books, row: Record) -> Record:
    invoice = books.invoices.get(row["invoice_id"]) or {}
    return {
        "invoice_id": row["invoice_id"],
        "invoice_number": invoice.get("invoice_number", ""),
        "date": invoice.get("date", ""),
        "invoice_amount": invoice.get("total", NOTHING),
        "amount_applied": row["amount_applied"],
        "balance_amount": invoice.get("balance", NOTHING),
    }


def _read_body(call: Call) -> Record:
    sent = call.body_object(PAYMENT_FIELDS)
    limited = call.settings.payments.enforce_length_limits
    for name, longest in TEXT_FIELDS.items():
        value = sent.get(name, "")
        if not isinstance(value, str) or (limited and longest is not None and len(value) > longest):
            raise bad_value(name)
    if not sent.get("customer_id"):
        raise bad_value("customer_id")
    if sent.get("payment_mode") not in MODES:
        raise bad_value("payment_mode")
    places = call.books.organisation.price_precision
    amounts: dict[str, Any] = {"amount": sent_cents("amount", sent.get("amount"), places)}
    if amounts["amount"] <= 0:
        raise bad_value("amount")
    if "bank_charges" in sent:
        amounts["bank_charges"] = sent_cents("bank_charges", sent["bank_charges"], places)
    if sent_amount("exchange_rate", sent.get("exchange_rate", 1)) <= 0:
        raise bad_value("exchange_rate")
    if "date" in sent:
        sent_date("date", sent["date"])
    custom_fields.check(call, sent.get("custom_fields", []), custom_fields.LONGEST_VALUE if limited else None)
    return {**sent, **amounts}


def _write(call: Call, payment: Record, sent: Record) -> None:
    for name in PAYMENT_FIELDS - {"customer_id", "invoices", "custom_fields"}:
        if name in sent:
            payment[name] = sent[name]
    if "custom_fields" in sent:
        payment["custom_fields"] = custom_fields.merged(payment["custom_fields"], sent["custom_fields"], call.settings)
