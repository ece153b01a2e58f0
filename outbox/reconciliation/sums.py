"""What finance asks each month: invoiced, open, paid and credited on both sides, and why they differ.

Each compared row adds both its figures under the reason why they are not equal ('agrees', a kind of difference,
'not_compared'), so the reasons add up to the difference to the cent.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from outbox.entities.billing import ENDED
from outbox.entities.contract import Desired, Terms
from outbox.entities.invoice_row import InvoiceRow
from outbox.entities.payment_body import payment_mode
from outbox.entities.payment_row import PaymentRow
from outbox.entities.text import clean
from outbox.vocabulary import EntityType

ZERO = Decimal(0)


class Measure(StrEnum):
    """What is added up."""

    INVOICED = "invoiced"
    OPEN = "open"
    PAID = "paid"
    CREDITED = "credited"


AGREES, NOT_COMPARED, RAISED_BY_ZOHO = "agrees", "not_compared", "raised_by_zoho"
"""Reasons beside the kinds of differences. The last: recurring invoices that Zoho's subscriptions raised, which this
database is not to send."""


@dataclass(frozen=True)
class Figure:
    """Both sides' amounts of one record."""

    month: date
    """Its first day."""
    measure: Measure
    category: str
    ours: Decimal
    theirs: Decimal


@dataclass
class Sums:
    """The sums of one page."""

    def __post_init__(self) -> None:
        self._sums: dict[tuple[date, Measure, str, str], list[Any]] = defaultdict(lambda: [0, ZERO, ZERO])

    def add(self, figures: Sequence[Figure], because: str) -> None:
        """Adds a record's figures under the reason."""
        for figure in figures:
            total = self._sums[figure.month, figure.measure, figure.category, because]
            total[0] += 1
            total[1] += figure.ours
            total[2] += figure.theirs

    def rows(self) -> list[dict[str, Any]]:
        """For the store; amounts as text."""
        return [
            {
                "month": month.isoformat(),
                "measure": measure,
                "category": category,
                "because": because,
                "records": records,
                "ours": str(ours),
                "theirs": str(theirs),
            }
            for (month, measure, category, because), (records, ours, theirs) in self._sums.items()
        ]


def figures_of(
    entity_type: EntityType,
    row: Any,
    desired: Desired,
    *,
    theirs: Decimal | None,
    open_here: Decimal | None,
    open_there: Decimal | None,
    alive_there: bool,
    refunded_there: Decimal | None = None,
) -> list[Figure]:
    """What a row of the host comes to, beside what its record does."""
    match entity_type:
        case EntityType.INVOICE:
            month = row.invoice_date.replace(day=1)
            category = clean(row.invoice_type) or "recurring"
            ours = row.total_amount if desired.lifecycle == "open" else ZERO
            return [
                Figure(month, Measure.INVOICED, category, ours, theirs if theirs and alive_there else ZERO),
                Figure(month, Measure.OPEN, category, open_here or ZERO, open_there or ZERO),
            ]
        case EntityType.PAYMENT:
            month = date.fromisoformat(str(desired.content["date"])).replace(day=1)
            category = str(desired.content["payment_mode"])
            figures = [Figure(month, Measure.PAID, category, row.amount, theirs or ZERO)]
            if desired.lifecycle == "refunded" or refunded_there:
                credited = row.amount if desired.lifecycle == "refunded" else ZERO
                figures.append(Figure(month, Measure.CREDITED, category, credited, refunded_there or ZERO))
            return figures
        case EntityType.CUSTOMER | EntityType.SUBSCRIPTION:
            return []


def figures_alone(row: Any, terms: Terms, open_here: Decimal | None) -> list[Figure]:
    """What a row of the host comes to for which there is no record; it need not be one that can be sent."""
    match row:
        case InvoiceRow() if row.total_amount.is_finite():
            month, category = row.invoice_date.replace(day=1), clean(row.invoice_type) or "recurring"
            ended = row.status in ENDED
            return [
                Figure(month, Measure.INVOICED, category, ZERO if ended else row.total_amount, ZERO),
                Figure(month, Measure.OPEN, category, ZERO if ended else open_here or ZERO, ZERO),
            ]
        case PaymentRow() if row.amount.is_finite() and row.currency.strip().upper() == terms.currency:
            day = (row.completed_at or row.initiated_at).astimezone(terms.zone).date()
            category = payment_mode(row.payment_method)
            return [Figure(day.replace(day=1), Measure.PAID, category, row.amount, ZERO)]
        case _:
            return []


def figures_of_stranger(
    entity_type: EntityType, day: str, worth: Decimal | None, open_there: Decimal | None, category: str
) -> list[Figure]:
    """What a record comes to that no row knows."""
    try:
        month = date.fromisoformat(day[:10]).replace(day=1)
    except ValueError:
        return []
    match entity_type:
        case EntityType.INVOICE if worth is not None:
            return [
                Figure(month, Measure.INVOICED, category, ZERO, worth),
                Figure(month, Measure.OPEN, category, ZERO, open_there or ZERO),
            ]
        case EntityType.PAYMENT if worth is not None:
            return [Figure(month, Measure.PAID, category, ZERO, worth)]
        case _:
            return []


@dataclass(frozen=True)
class MonthlySum:
    """One measure of one month; ``reasons`` add up to ``theirs - ours``."""

    month: date
    measure: Measure
    ours: Decimal
    theirs: Decimal
    by_category: tuple["Share", ...]
    reasons: tuple["Share", ...]

    @property
    def difference(self) -> Decimal:
        """What Zoho has more."""
        return self.theirs - self.ours

    def as_json(self) -> dict[str, Any]:
        """Keys as the attributes, and ``difference``."""
        return asdict(self) | {"difference": self.difference}


@dataclass(frozen=True)
class Share:
    """A part of a sum, by category or by reason."""

    name: str
    records: int
    ours: Decimal
    theirs: Decimal


def monthly(rows: Sequence[dict[str, Any]]) -> list[MonthlySum]:
    """The store's rows, by month and measure."""
    groups: dict[tuple[date, Measure], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["month"], Measure(row["measure"])].append(row)
    return [
        MonthlySum(
            month,
            measure,
            sum((row["ours"] for row in group), ZERO),
            sum((row["theirs"] for row in group), ZERO),
            _shares(group, "category"),
            tuple(share for share in _shares(group, "because") if share.ours != share.theirs),
        )
        for (month, measure), group in sorted(groups.items())
    ]


def _shares(rows: Sequence[dict[str, Any]], by: str) -> tuple[Share, ...]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[by]].append(row)
    return tuple(
        Share(
            name,
            sum(row["records"] for row in group),
            sum((row["ours"] for row in group), ZERO),
            sum((row["theirs"] for row in group), ZERO),
        )
        for name, group in sorted(groups.items())
    )
