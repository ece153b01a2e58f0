"""What Zoho will make of an invoice's lines, foretold; and the tax that stands on them (decisions.md, Invoices).

rate    ``vat_rate``, else tax_amount / subtotal; where that is no listed rate, the one listed rate whose tax on the
        subtotal is tax_amount within a cent a line
tax_id  of that rate in ``ZOHO_TAX_IDS``, else in /settings/taxes (sheet 2.6); one, or the invoice is not sent
prices  hold the tax where the lines add up to the total (lessons 8); where they add up to the subtotal and not to the
        total, they do not. Where subtotal and total are equal they hold it, whatever the rate: the default vat_rate of
        15.00 on a row without tax must not raise what the customer pays
total   of prices that hold tax: their sum. Else the sum and the tax on each line, in whole cents: that Zoho rounds by
        line is a guess, the reply tells (:meth:`Invoice.verified`)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from outbox.entities.catalogue import CatalogueKind
from outbox.entities.contract import CannotMap, Terms
from outbox.entities.invoice_lines import CENT, ZERO, Line, cents

TOLERANCE = Decimal("0.05")
"""Up to this much two totals count as equal (lessons 7)."""
PERCENT = Decimal(100)


@dataclass(frozen=True)
class Figures:
    """What the host says of the whole invoice."""

    subtotal: Decimal
    tax_amount: Decimal | None
    total: Decimal
    vat_rate: Decimal | None
    """In percent. None: the host has no such column, or nothing in it."""

    @property
    def tax(self) -> Decimal:
        """The tax in it: what is not recorded is what lies between subtotal and total."""
        return self.total - self.subtotal if self.tax_amount is None else self.tax_amount


@dataclass(frozen=True)
class LineTax:
    """The tax on every line. ``rate`` in percent."""

    tax_id: str
    rate: Decimal


@dataclass(frozen=True)
class Forecast:
    """How the lines are to be read, and what Zoho will make of them."""

    inclusive: bool
    """Prices hold the tax."""
    total: Decimal
    """Before the adjustment."""
    adjustment: Decimal
    """What makes it the host's total, to the cent."""
    tax: Decimal
    """Of the lines."""

    def tax_told(self, figures: "Figures", lines: int, rate: Decimal) -> str | None:
        """Where Zoho's tax is not the row's, by more than a cent a line: the total is right, what is declared is not.

        One rate stands on all lines, and vat_rate goes before tax_amount (decisions.md, Invoices): lines of several
        rates, or the column's default of 15.00 on a row without tax, come to the right total all the same.
        """
        if abs(self.tax - figures.tax) <= max(TOLERANCE, CENT * lines):
            return None
        return (
            f"its tax is {self.tax} in Zoho ({_shown(rate)} % on every line) and tax_amount is {figures.tax} here: "
            "correct vat_rate or tax_amount; lines of several rates need an invoice for each rate"
        )


def line_tax(figures: Figures, lines: Sequence[Line], terms: Terms) -> LineTax:
    """The one tax that stands on all lines. Raises :class:`CannotMap`, which has the taxes read anew."""
    rate = _rate(figures, len(lines), terms)
    if rate in terms.tax_ids:
        return LineTax(terms.tax_ids[rate], rate)
    ids = [tax.tax_id for tax in terms.taxes or () if tax.rate == rate]
    if len(ids) > 1:
        raise _no_tax(f"Zoho has {len(ids)} taxes of {_shown(rate)} %", terms)
    return LineTax(ids[0], rate)


def forecast(figures: Figures, lines: Sequence[Line], rate: Decimal) -> Forecast:
    """What Zoho will make of ``lines``. Raises :class:`CannotMap` where that is not the host's total."""
    amounts = sum((line.amount for line in lines), ZERO)
    on_top = _tax_on((line.amount for line in lines), rate)
    inside = sum((cents(line.amount * rate / (PERCENT + rate)) for line in lines), ZERO)
    with_tax = amounts + on_top
    # The closer reading first; the one that the customer pays no more by, where both are as close.
    readings = sorted(
        ((abs(amounts - figures.total), True, amounts), (abs(amounts - figures.subtotal), False, with_tax)),
        key=lambda reading: reading[0],
    )
    possible = [
        Forecast(inclusive, total, figures.total - total, inside if inclusive else on_top)
        for off, inclusive, total in readings
        if off <= TOLERANCE
    ]
    for reading in possible:
        if abs(reading.adjustment) <= TOLERANCE:
            return reading
    if possible:
        raise CannotMap(
            f"the lines add up to the subtotal {figures.subtotal}; with {_shown(rate)} % tax that makes {with_tax}, "
            f"and total_amount is {figures.total}: correct vat_rate, tax_amount or the lines"
        )
    raise CannotMap(
        f"the lines add up to {amounts}, which is neither the total_amount {figures.total} nor the subtotal "
        f"{figures.subtotal}: correct line_items or the amounts"
    )


def _tax_on(amounts: Iterable[Decimal], rate: Decimal) -> Decimal:
    return sum((cents(amount * rate / PERCENT) for amount in amounts), ZERO)


def _rate(figures: Figures, lines: int, terms: Terms) -> Decimal:
    listed = {*terms.tax_ids, *(tax.rate for tax in terms.taxes or ())}
    said = figures.vat_rate
    if said is None and figures.subtotal:
        said = figures.tax * PERCENT / figures.subtotal
    if said in listed:
        return said
    slack = CENT * lines
    near = [rate for rate in listed if abs(figures.subtotal * rate / PERCENT - figures.tax) <= slack]
    if len(near) == 1:
        return near[0]
    figures_said = f"tax_amount {figures.tax} on the subtotal {figures.subtotal}"
    if figures.vat_rate is not None:
        figures_said = f"vat_rate {_shown(figures.vat_rate)}, and {figures_said},"
    raise _no_tax(f"{figures_said} fits {'several taxes' if near else 'no tax'} in Zoho", terms)


def _no_tax(what: str, terms: Terms) -> CannotMap:
    told = [f"{_shown(rate)} % {tax_id} (ZOHO_TAX_IDS)" for rate, tax_id in sorted(terms.tax_ids.items())]
    told += [f"{_shown(tax.rate)} % {tax.name} {tax.tax_id}" for tax in terms.taxes or ()]
    return CannotMap(
        f"{what} (known: {', '.join(told) or 'none'}): name one tax per rate in ZOHO_TAX_IDS, or correct the row",
        looked_in=CatalogueKind.TAXES,
    )


def _shown(rate: Decimal) -> str:
    return f"{rate.normalize():f}"
