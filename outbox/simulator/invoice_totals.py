"""An invoice's sums from its lines (sheet 2.4; decisions.md, Invoices)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from outbox.simulator.books import Books
from outbox.simulator.money import NOTHING, rounded
from outbox.simulator.settings import TaxSettings

PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Line:
    """What of a line counts for money."""

    price: Decimal
    quantity: Decimal
    tax: TaxSettings | None

    def amount(self, places: int) -> Decimal:
        """Price times quantity; with inclusive prices tax is in it."""
        return rounded(self.price * self.quantity, places)


@dataclass(frozen=True, slots=True)
class Totals:
    """An invoice's sums."""

    sub_total: Decimal
    """The lines without tax."""
    tax_total: Decimal
    total: Decimal
    """What is to be paid: lines, tax, shipping and adjustment."""
    taxes: tuple[tuple[str, Decimal], ...]
    """Name and amount of each tax, in the order in which the lines name them."""


def totals(books: Books, lines: Iterable[Line], *, inclusive: bool, extra: Decimal = NOTHING) -> Totals:
    """The sums of `lines`; `extra` is shipping and adjustment, which bear no tax (a guess).

    Prices hold tax where `inclusive`, unless ``invoices.honour_inclusive_tax`` is off. Tax is rounded per line
    or once per tax, as ``invoices.tax_rounding`` says.
    """
    places = books.organisation.price_precision
    knobs = books.settings.invoices
    holds_tax = inclusive and knobs.honour_inclusive_tax
    amounts = NOTHING
    tax_by_id: dict[str, tuple[str, Decimal]] = {}
    for line in lines:
        amount = line.amount(places)
        amounts += amount
        if line.tax is None:
            continue
        tax = _tax(amount, line.tax.tax_percentage, holds_tax=holds_tax)
        if knobs.tax_rounding == "line":
            tax = rounded(tax, places)
        name, so_far = tax_by_id.get(line.tax.tax_id, (line.tax.tax_name, Decimal(0)))
        tax_by_id[line.tax.tax_id] = (name, so_far + tax)
    taxes = tuple((name, rounded(amount, places)) for name, amount in tax_by_id.values())
    tax_total = sum((amount for _, amount in taxes), NOTHING)
    sub_total = amounts - tax_total if holds_tax else amounts
    return Totals(sub_total, tax_total, sub_total + tax_total + extra, taxes)


def _tax(amount: Decimal, percentage: Decimal, *, holds_tax: bool) -> Decimal:
    return amount * percentage / (PERCENT + percentage if holds_tax else PERCENT)
