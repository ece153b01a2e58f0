"""Invoices, payments and refunds that no request made, and their changes by hand.

Sums follow from what is given: lines or a total, and for what is paid either payments in the books or a figure.
The customer's balances follow.
"""

from datetime import date, timedelta
from decimal import Decimal

from outbox.simulator import custom_fields
from outbox.simulator.accounts import put_invoice, put_payment, remove_invoice, remove_payment
from outbox.simulator.allocation import put_on, take_from, take_off
from outbox.simulator.books import Books, Record
from outbox.simulator.clock import zoho_date
from outbox.simulator.invoice_records import ALIASES, FINAL, address_to, next_number, put_lines, settle, touch
from outbox.simulator.money import NOTHING, exact, rounded
from outbox.simulator.payments import next_number as next_payment_number
from outbox.simulator.payments import pay_by
from outbox.simulator.replies import Refusal

_INVOICE_AMOUNTS = frozenset({"adjustment", "total", "sub_total", "tax_total", "credits_applied", "write_off_amount"})
_BEHIND_THE_TOTAL = frozenset({"invoice_items", "is_inclusive_tax", "adjustment", "shipping_charge"})
_COUNTED = frozenset({"invoice_items", "custom_fields", "payments", "payment_made", "balance", "status", *ALIASES})


def put_invoice_by_hand(books: Books, old: Record, fields: Record, now: float) -> None:
    """Write `fields` into an invoice and hold it.

    ``invoice_items`` are added up; without them ``total`` is taken as it is. ``status`` paid, ``payment_made``
    or ``balance`` say what was paid without a payment in the books; ``status`` overdue without due_date makes
    it due yesterday. Raises ValueError for a tax that does not exist, and where ``payments`` are given: those
    are planted themselves.
    """
    if fields.get("payments"):
        raise ValueError("plant the payments of an invoice as payments, which name it in their invoices")
    fields = {**{name: fields[alias] for alias, name in ALIASES.items() if alias in fields}, **fields}
    invoice = dict(old)
    customer = books.customers.get(fields.get("customer_id", ""))
    if customer is not None:
        address_to(invoice, customer)
    invoice.update({name: value for name, value in fields.items() if name not in _COUNTED})
    for name in _INVOICE_AMOUNTS & set(fields):
        invoice[name] = rounded(exact(fields[name]))
    if "custom_fields" in fields:
        invoice["custom_fields"] = custom_fields.merged(
            invoice["custom_fields"], fields["custom_fields"], books.settings
        )
    _add_up(books, invoice, fields)
    invoice["invoice_number"] = invoice["invoice_number"] or next_number(books)
    _set_state(books, invoice, fields, now)
    settle(invoice)
    touch(books, invoice, now)
    if "updated_time" in fields:
        invoice["updated_time"] = invoice["last_modified_time"] = fields["updated_time"]
    put_invoice(books, invoice)


def put_payment_by_hand(books: Books, old: Record, fields: Record, now: float) -> None:
    """Write `fields` into a payment, hold it, and apply it to the ``invoices`` that it names, unchecked.

    Raises ValueError where one of those is not in the books.
    """
    payment = dict(old)
    customer = books.customers.get(fields.get("customer_id", ""))
    if customer is not None:
        pay_by(payment, customer)
    payment.update(fields)
    for name in {"amount", "amount_refunded"} & set(fields):
        payment[name] = rounded(exact(fields[name]))
    payment["invoices"] = [
        {"invoice_id": str(row.get("invoice_id")), "amount_applied": rounded(exact(row.get("amount_applied")))}
        for row in payment["invoices"]
    ]
    if missing := [row["invoice_id"] for row in payment["invoices"] if books.invoices.get(row["invoice_id"]) is None]:
        raise ValueError(f"no invoice {', '.join(missing)}")
    if "custom_fields" in fields:
        payment["custom_fields"] = custom_fields.merged(old["custom_fields"], fields["custom_fields"], books.settings)
    payment["payment_number"] = payment["payment_number"] or next_payment_number(books)
    take_from(books, old, now)
    put_payment(books, payment)
    put_on(books, payment, now)


def put_refund_by_hand(books: Books, old: Record, fields: Record, now: float) -> None:
    """Write `fields` into a refund, hold it, and count it on its payment. Raises ValueError without one."""
    refund = {**old, **fields}
    refund["amount"] = rounded(exact(refund["amount"]))
    payment = books.payments.get(refund["payment_id"])
    if payment is None:
        raise ValueError(f"no payment {refund['payment_id']!r} that could be refunded")
    refund["customer_id"] = payment["customer_id"]
    books.refunds.put(refund)
    _count_refund(books, refund["payment_id"], refund["amount"] - exact(old["amount"]), now)


def remove_invoice_by_hand(books: Books, invoice_id: str) -> bool:
    """Take an invoice out; what was paid on it is credit. False where there is none."""
    invoice = books.invoices.get(invoice_id)
    for row in invoice["payments"] if invoice is not None else []:
        take_off(books, row["payment_id"], invoice_id)
    return remove_invoice(books, invoice_id)


def remove_payment_by_hand(books: Books, payment_id: str, now: float) -> bool:
    """Take a payment out; its invoices are owed again. False where there is none."""
    payment = books.payments.get(payment_id)
    if payment is not None:
        take_from(books, payment, now)
    return remove_payment(books, payment_id)


def remove_refund_by_hand(books: Books, refund_id: str, now: float) -> bool:
    """Take a refund out, and off its payment. False where there is none."""
    refund = books.refunds.remove(refund_id)
    if refund is not None:
        _count_refund(books, refund["payment_id"], -exact(refund["amount"]), now)
    return refund is not None


def _add_up(books: Books, invoice: Record, fields: Record) -> None:
    lines = fields.get("invoice_items", invoice["invoice_items"])
    if lines and _BEHIND_THE_TOTAL & set(fields):
        counted = [
            {**line, "price": exact(line.get("price")), "quantity": exact(line.get("quantity", 1))} for line in lines
        ]
        try:
            put_lines(books, invoice, counted)
        except Refusal as refusal:
            raise ValueError(f"{refusal.message}: there is no such tax") from refusal
    if "total" in fields:
        invoice["total"] = rounded(exact(fields["total"]))
        if "sub_total" not in fields:
            invoice["sub_total"] = invoice["total"] - exact(invoice["tax_total"])


def _set_state(books: Books, invoice: Record, fields: Record, now: float) -> None:
    status = fields.get("status")
    if status == "overdue" and "due_date" not in fields:
        due = zoho_date(now, books.zone) - timedelta(days=1)
        invoice["due_date"] = due.isoformat()
        invoice["date"] = min(date.fromisoformat(invoice["date"]), due).isoformat()
    if status is not None:
        invoice["status"] = status if status in FINAL else "sent"
    if status == "void":
        for row in invoice["payments"]:
            take_off(books, row["payment_id"], invoice["invoice_id"])
        invoice["payments"] = []
    total = exact(invoice["total"])
    booked = sum((exact(row["amount"]) for row in invoice["payments"]), NOTHING)
    if "payment_made" in fields:
        invoice["paid_otherwise"] = rounded(exact(fields["payment_made"])) - booked
    elif "balance" in fields:
        invoice["paid_otherwise"] = total - rounded(exact(fields["balance"])) - booked
    elif status == "paid":
        invoice["paid_otherwise"] = total - booked


def _count_refund(books: Books, payment_id: str, amount: Decimal, now: float) -> None:
    payment = books.payments.get(payment_id)
    if payment is not None:
        changed = {**payment, "amount_refunded": exact(payment["amount_refunded"]) + amount}
        put_payment(books, changed)
        put_on(books, changed, now)
