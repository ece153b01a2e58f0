"""Which invoice of Zoho's a payment on the host's recurring invoice is for (decisions.md, Payments: match)."""

import calendar
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from outbox.entities.catalogue import Plan
from outbox.entities.records import ZERO, amount, word
from outbox.zoho.json_text import JsonValue

TOLERANCE = Decimal("0.05")

NOT_PAYABLE = frozenset({"void", "draft", "pending"})
"""Nothing can be applied to these (sheet 2.5)."""


@dataclass(frozen=True)
class Sought:
    """What the host knows of the invoice that Zoho raised."""

    customer_id: str
    """Zoho's. A list whose filter was ignored holds other people's invoices."""
    day: date
    """A day of the period that was billed."""
    total: Decimal
    plan: Plan | None
    """None: a term is a month."""


def raised_invoice(
    invoices: Iterable[Mapping[str, JsonValue]], sought: Sought, already: Collection[str]
) -> Mapping[str, JsonValue] | None:
    """The invoice whose period holds the day and whose total is the host's within 0.05; None: there is none.

    Of several (one was raised anew) the one that this payment is applied to ``already``, then one with something left
    to pay, then the newest.
    """
    best: tuple[bool, bool, date] | None = None
    chosen: Mapping[str, JsonValue] | None = None
    for invoice in invoices:
        begins = _date_of(invoice)
        if begins is None or not _fits(invoice, begins, sought):
            continue
        rank = (word(invoice, "invoice_id") in already, balance(invoice) > ZERO, begins)
        if best is None or rank > best:
            best, chosen = rank, invoice
    return chosen


def balance(invoice: Mapping[str, JsonValue]) -> Decimal:
    """What is left to pay; nothing where the invoice cannot be paid or says nothing."""
    if word(invoice, "status") in NOT_PAYABLE:
        return ZERO
    return amount(invoice, "balance") or ZERO


def _fits(invoice: Mapping[str, JsonValue], begins: date, sought: Sought) -> bool:
    total = amount(invoice, "total")
    return (
        word(invoice, "customer_id") == sought.customer_id
        and word(invoice, "status") not in NOT_PAYABLE
        and total is not None
        and abs(total - sought.total) <= TOLERANCE
        and begins <= sought.day < one_term_later(begins, sought.plan)
    )


def one_term_later(begins: date, plan: Plan | None) -> date:
    """The first day of the next period."""
    interval, unit = (1, "months") if plan is None else (plan.interval, plan.interval_unit)
    months = begins.month - 1 + interval * (12 if unit == "years" else 1)
    year, month = begins.year + months // 12, months % 12 + 1
    return date(year, month, min(begins.day, calendar.monthrange(year, month)[1]))


def _date_of(invoice: Mapping[str, JsonValue]) -> date | None:
    """Zoho has two spellings (sheet 2.4)."""
    try:
        return date.fromisoformat(word(invoice, "invoice_date") or word(invoice, "date"))
    except ValueError:
        return None
