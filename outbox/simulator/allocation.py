"""Payments on invoices: what may be applied, and both records kept in line (sheet 2.5)."""

from decimal import Decimal

from outbox.simulator.accounts import put_invoice, put_payment
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.invoice_records import settle, touch
from outbox.simulator.invoice_refusals import invoice_missing
from outbox.simulator.money import NOTHING, exact, sent_cents
from outbox.simulator.payment_refusals import above_amount, above_balance, cannot_be_paid, of_another_customer
from outbox.simulator.replies import bad_value

ROW_FIELDS = frozenset({"invoice_id", "amount_applied"})


def checked_rows(call: Call, rows: object, *, customer_id: str, amount: Decimal, payment_id: str = "") -> list[Record]:
    """What a payment is to be applied to: ``{invoice_id, amount_applied}``, checked.

    What the payment `payment_id` has on an invoice already is free for it again. Raises Refusal where an
    invoice does not exist, is a draft or void or another customer's, where more is applied than its balance
    or than the payment's `amount`, and where a row does not fit.
    """
    if not isinstance(rows, list):
        raise bad_value("invoices")
    checked = [_checked_row(call, row, customer_id, payment_id) for row in rows]
    if len({row["invoice_id"] for row in checked}) < len(checked):
        raise bad_value("invoices")
    if sum((row["amount_applied"] for row in checked), NOTHING) > amount:
        raise above_amount()
    return checked


def put_on(books: Books, payment: Record, now: float) -> None:
    """Write `payment`, which is held already, on each invoice that it names, in place of what it had
    there."""
    for row in payment["invoices"]:
        invoice = books.invoices.get(row["invoice_id"])
        if invoice is None:
            continue
        own = _shown_on_invoice(payment, exact(row["amount_applied"]), _link_id(books, invoice, payment))
        _write(books, invoice, payment, [own], now)


def take_from(books: Books, payment: Record, now: float) -> None:
    """Remove `payment` from each invoice that it names; the payment itself is the caller's to change."""
    for row in payment["invoices"]:
        invoice = books.invoices.get(row["invoice_id"])
        if invoice is not None:
            _write(books, invoice, payment, [], now)


def take_off(books: Books, payment_id: str, invoice_id: str) -> None:
    """The payment no longer names the invoice: what was applied is the customer's credit. The invoice is the
    caller's to change."""
    payment = books.payments.get(payment_id)
    if payment is not None:
        rows = [row for row in payment["invoices"] if row["invoice_id"] != invoice_id]
        put_payment(books, {**payment, "invoices": rows})


def _checked_row(call: Call, row: object, customer_id: str, payment_id: str) -> Record:
    if not isinstance(row, dict) or not isinstance(row.get("invoice_id"), str):
        raise bad_value("invoices")
    call.note_unknown([f"invoices.{key}" for key in row if key not in ROW_FIELDS])
    amount = sent_cents("amount_applied", row.get("amount_applied"), call.books.organisation.price_precision)
    if amount <= 0:
        raise bad_value("amount_applied")
    invoice = call.books.invoices.get(row["invoice_id"])
    if invoice is None:
        raise invoice_missing(call.settings.missing_status)
    if invoice["customer_id"] != customer_id:
        raise of_another_customer()
    switches = call.settings.payments
    if invoice["status"] == "void" or (invoice["status"] == "draft" and not switches.pay_drafts):
        raise cannot_be_paid(invoice["status"])
    own = sum((exact(paid["amount"]) for paid in invoice["payments"] if paid["payment_id"] == payment_id), NOTHING)
    room = exact(invoice["balance"]) + own
    if amount > room and (switches.refuse_above_balance or room <= 0):
        raise above_balance()
    amount = min(amount, room)
    return {"invoice_id": row["invoice_id"], "amount_applied": amount}


def _write(books: Books, invoice: Record, payment: Record, rows: list[Record], now: float) -> None:
    others = [row for row in invoice["payments"] if row["payment_id"] != payment["payment_id"]]
    changed = {**invoice, "payments": others + rows}
    settle(changed)
    touch(books, changed, now)
    put_invoice(books, changed)


def _link_id(books: Books, invoice: Record, payment: Record) -> str:
    for row in invoice["payments"]:
        if row["payment_id"] == payment["payment_id"]:
            return str(row["invoice_payment_id"])
    return books.next_id()


def _shown_on_invoice(payment: Record, amount: Decimal, link_id: str) -> Record:
    return {
        "payment_id": payment["payment_id"],
        "payment_number": payment["payment_number"],
        "invoice_payment_id": link_id,
        "payment_mode": payment["payment_mode"],
        "amount": amount,
        "amount_refunded": payment["amount_refunded"],
        "date": payment["date"],
        "reference_number": payment["reference_number"],
        "description": payment["description"],
        "gateway_transaction_id": "",
        "bank_charges": payment["bank_charges"],
        "exchange_rate": payment["exchange_rate"],
    }
