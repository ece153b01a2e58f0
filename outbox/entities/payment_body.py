"""A payment's body (sheet 2.5; decisions.md, Payments) without its allocation, for which see
:mod:`outbox.entities.payment_allocation`."""

import re
from typing import assert_never

from outbox.entities.contract import Terms
from outbox.entities.payment_purpose import OnInvoice, OnRaised, Purpose, Unapplied
from outbox.entities.payment_row import PaymentRow
from outbox.entities.text import clean
from outbox.zoho.json_text import JsonValue

APPLIES_TO = "applies_to"
"""In ``content``, never sent: which invoice it is for, so that a payment that is linked to another is a change. How
much of it goes there depends on other rows and stands in ``at_creation``."""

MODES = {
    "card": "creditcard",
    "creditcard": "creditcard",
    "eft": "banktransfer",
    "instanteft": "banktransfer",
    "debitorder": "bankremittance",
    "cash": "cash",
}
"""Zoho's fixed set (lessons, 10) by payment_method without case, blanks, hyphens and underscores."""

LONGEST_DESCRIPTION = 500
"""Zoho tells no limit for payments (sheet 2.5); this is what its other texts bear."""


def content_of(row: PaymentRow, purpose: Purpose, terms: Terms) -> dict[str, JsonValue]:
    """What create and update carry alike, with :data:`APPLIES_TO`."""
    content: dict[str, JsonValue] = {
        "customer_id": row.customer_zoho_id or "",
        "payment_mode": payment_mode(row.payment_method),
        "amount": row.amount,
        "date": (row.completed_at or row.initiated_at).astimezone(terms.zone).date().isoformat(),
        "reference_number": str(row.id),
        "description": _description(row),
    }
    if terms.external_id_label is not None:
        content["custom_fields"] = [{"label": terms.external_id_label, "value": str(row.id)}]
    if (link := _link(row, purpose)) is not None:
        content[APPLIES_TO] = link
    return content


def payment_mode(payment_method: str | None) -> str:
    """Zoho's word for how it was paid."""
    return MODES.get(re.sub(r"[\s_-]+", "", payment_method or "").casefold(), "others")


def unmappable(row: PaymentRow, terms: Terms) -> str | None:
    """Why a completed payment cannot be sent, whatever it waits for."""
    # numeric(10,2) holds NaN, which counts as above 0.
    if not row.amount.is_finite():
        return f"amount is {row.amount}: correct it"
    if row.currency.strip().upper() != terms.currency:
        return (
            f"paid in {clean(row.currency) or '(no currency)'}, and Zoho is kept in {terms.currency} (ZOHO_CURRENCY): "
            "correct the currency, or enter it in Zoho by hand and skip it"
        )
    # An invoice that is not there may still come, and its customer with it; one that is in Zoho was deleted here.
    if row.customer is None and (row.invoice is None or row.invoice.exists or row.invoice.zoho_id is not None):
        return "names no customer and no invoice that has one: set customer_id or customer_invoice_id"
    if row.invoice_customer_id is not None and row.invoice_customer_id != row.customer_id:
        named = row.invoice.named if row.invoice is not None else "its invoice"
        return (
            f"names customer {row.customer_id}, and {named} is of customer {row.invoice_customer_id}: "
            "correct customer_id, or the invoice it names"
        )
    return None


def _description(row: PaymentRow) -> str:
    named = {"Transaction": clean(row.transaction_id), "reference": clean(row.reference)}
    return ", ".join(f"{name} {value}" for name, value in named.items() if value)[:LONGEST_DESCRIPTION].rstrip()


def _link(row: PaymentRow, purpose: Purpose) -> dict[str, JsonValue] | None:
    match purpose:
        case OnInvoice(invoice_id=invoice_id):
            return {"invoice_id": invoice_id}
        case OnRaised():
            return {"host_invoice_id": str(row.invoice_id)}
        case Unapplied():
            return None
        case _:
            assert_never(purpose)
