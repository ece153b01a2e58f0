"""An invoice as it is held and as it is read: its number, lines, state and both spellings of its keys (sheet
2.4)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from outbox.simulator.books import Books, Record
from outbox.simulator.clock import zoho_date, zoho_time
from outbox.simulator.invoice_totals import Line, totals
from outbox.simulator.money import NOTHING, exact
from outbox.simulator.settings import TaxSettings
from outbox.simulator.taxes import tax_of_line

FINAL = frozenset({"draft", "void"})
"""Held states that money does not change; any other follows from the balance."""

HIDDEN = frozenset({"subscription_id", "paid_otherwise"})
"""Held but shown nowhere: replies name no subscription, though ``GET /invoices?subscription_id=`` finds by it;
and what a planted invoice was paid without a payment in the books."""

ALIASES = {"number": "invoice_number", "invoice_date": "date", "updated_time": "last_modified_time"}
"""Zoho's two spellings: GET and lists write the left ones, create and update replies the right ones, live
replies both (sheet 2.4)."""

LIST_FIELDS = (
    "invoice_id",
    "invoice_number",
    "number",
    "reference_number",
    "status",
    "date",
    "invoice_date",
    "due_date",
    "transaction_type",
    "customer_id",
    "customer_name",
    "email",
    "total",
    "balance",
    "currency_code",
    "currency_symbol",
    "has_attachment",
    "created_time",
    "updated_time",
    "last_modified_time",
)
"""What a list row keeps: no lines, no payments, no custom fields, no subscription."""


def blank_invoice(books: Books, now: float) -> Record:
    """An invoice with nothing on it; it has an id and no number yet."""
    organisation = books.organisation
    time = zoho_time(now, books.zone)
    today = zoho_date(now, books.zone).isoformat()
    return {
        "invoice_id": books.next_id(),
        "invoice_number": "",
        "number": "",
        "reference_number": "",
        "status": "draft",
        "date": today,
        "invoice_date": today,
        "due_date": today,
        "payment_expected_date": "",
        "last_payment_date": "",
        "payment_terms": 0,
        "payment_terms_label": "Due On Receipt",
        "transaction_type": "",
        "subscription_id": "",
        "customer_id": "",
        "customer_name": "",
        "email": "",
        "contact_persons": [],
        "currency_id": books.currency_id,
        "currency_code": organisation.currency_code,
        "currency_symbol": organisation.currency_symbol,
        "price_precision": organisation.price_precision,
        "exchange_rate": 1,
        "discount": 0,
        "is_discount_before_tax": True,
        "discount_type": "item_level",
        "is_inclusive_tax": False,
        "invoice_items": [],
        "coupons": [],
        "credits": [],
        "payments": [],
        "shipping_charge": "0",
        "adjustment": 0,
        "adjustment_description": "",
        "sub_total": NOTHING,
        "tax_total": NOTHING,
        "total": NOTHING,
        "taxes": [],
        "payment_made": NOTHING,
        "paid_otherwise": NOTHING,
        "credits_applied": NOTHING,
        "write_off_amount": NOTHING,
        "tax_amount_withheld": 0,
        "balance": NOTHING,
        "payment_reminder_enabled": True,
        "allow_partial_payments": False,
        "payment_options": {"payment_gateways": []},
        "ach_payment_initiated": False,
        "is_emailed": False,
        "reminders_sent": 0,
        "last_reminder_sent_date": "",
        "is_viewed_by_client": False,
        "client_viewed_time": "",
        "has_attachment": False,
        "attachment_name": "",
        "billing_address": {},
        "shipping_address": {},
        "notes": "",
        "terms": "",
        "custom_fields": [],
        "comments": [],
        "documents": [],
        "template_id": "",
        "template_name": "",
        "salesperson_id": "",
        "salesperson_name": "",
        "invoice_url": "",
        "can_send_in_mail": True,
        "created_time": time,
        "updated_time": time,
        "last_modified_time": time,
    }


def address_to(invoice: Record, customer: Record) -> None:
    """Put the customer's name, e-mail and addresses on `invoice`, as they are now."""
    invoice["customer_id"] = customer["customer_id"]
    invoice["customer_name"] = customer["display_name"]
    invoice["email"] = customer["email"]
    invoice["billing_address"] = dict(customer["billing_address"])
    invoice["shipping_address"] = dict(customer["shipping_address"])


def put_lines(books: Books, invoice: Record, lines: Sequence[Record]) -> None:
    """Replace the lines of `invoice` and add it up anew, with its shipping and adjustment.

    A line has price and quantity as Decimal; name, description, product_id, tax_id and more where it has
    them. Raises Refusal 400/4 for a tax that does not exist.
    """
    counted = [Line(line["price"], line["quantity"], tax_of_line(books, line.get("tax_id", ""))) for line in lines]
    places = books.organisation.price_precision
    invoice["invoice_items"] = [
        _shown_line(books, line, count, places, order)
        for order, (line, count) in enumerate(zip(lines, counted, strict=True), start=1)
    ]
    sums = totals(
        books,
        counted,
        inclusive=invoice["is_inclusive_tax"],
        extra=exact(invoice["shipping_charge"] or 0) + exact(invoice["adjustment"]),
    )
    invoice["sub_total"] = sums.sub_total
    invoice["tax_total"] = sums.tax_total
    invoice["total"] = sums.total
    invoice["taxes"] = [{"tax_name": name, "tax_amount": amount} for name, amount in sums.taxes]


def settle(invoice: Record) -> None:
    """Bring payment_made, balance and state in line with the total and the payments on the invoice.

    A void invoice has no balance (a guess), and forgets what it was paid outside the books; a draft stays a
    draft.
    """
    if invoice["status"] == "void":
        invoice["paid_otherwise"] = NOTHING
    payments = invoice["payments"]
    invoice["payment_made"] = sum((exact(row["amount"]) for row in payments), invoice["paid_otherwise"])
    invoice["last_payment_date"] = max((row["date"] for row in payments), default="")
    credit = exact(invoice["credits_applied"]) + exact(invoice["write_off_amount"])
    balance = exact(invoice["total"]) - invoice["payment_made"] - credit
    invoice["balance"] = NOTHING if invoice["status"] == "void" else balance
    if invoice["status"] in FINAL:
        return
    if balance <= 0:
        invoice["status"] = "paid"
    elif invoice["payment_made"] + credit > 0:
        invoice["status"] = "partially_paid"
    else:
        invoice["status"] = "sent"


def touch(books: Books, invoice: Record, now: float) -> None:
    """Bring the aliases and the time of the last change in line."""
    invoice["last_modified_time"] = zoho_time(now, books.zone)
    for alias, name in ALIASES.items():
        invoice[alias] = invoice[name]


def as_read(invoice: Record, today: date) -> Record:
    """The invoice as it is read on a day: after its due date it is overdue, also where a part is paid (a
    guess)."""
    read = {name: value for name, value in invoice.items() if name not in HIDDEN}
    if read["status"] in {"sent", "partially_paid"} and read["due_date"] < today.isoformat():
        read["status"] = "overdue"
    return read


def list_row(invoice: Record, today: date) -> Record:
    """The thin row of a list."""
    read = as_read(invoice, today)
    return {name: read[name] for name in LIST_FIELDS}


def next_number(books: Books) -> str:
    """The next number of Zoho's own series that no invoice has."""
    while True:
        number = f"{books.settings.invoices.number_prefix}{books.next_number('invoices'):06}"
        if not books.invoices.having("invoice_number", number):
            return number


def _shown_line(books: Books, line: Record, count: Line, places: int, order: int) -> Record:
    shown: dict[str, Any] = {
        "product_id": "",
        "name": "",
        "description": "",
        "unit": "",
        "product_type": "",
        "item_order": order,
        **line,
        "item_id": books.next_id(),
        "discount": 0,
        "discount_amount": 0,
        "price": count.price,
        "quantity": _whole(count.quantity),
        "item_total": count.amount(places),
        "tags": [],
        "item_custom_fields": [],
        "tax_exemption_id": "",
        "tax_exemption_code": "",
    }
    shown.update(_shown_tax(count.tax))
    return shown


def _shown_tax(tax: TaxSettings | None) -> Record:
    if tax is None:
        return {"tax_id": "", "tax_name": "", "tax_type": "", "tax_percentage": 0}
    return {
        "tax_id": tax.tax_id,
        "tax_name": tax.tax_name,
        "tax_type": tax.tax_type,
        "tax_percentage": tax.tax_percentage,
    }


def _whole(quantity: Decimal) -> int | Decimal:
    return int(quantity) if quantity == int(quantity) else quantity
