"""What payloads refer to in Zoho and the host does not know: taxes and plans. Read once, kept fresh (sheet 2.2, 2.6).

:mod:`outbox.sending.catalogue` reads and keeps them; entities get them in their
:class:`~outbox.entities.contract.Terms`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from outbox.zoho.json_text import JsonValue


class CatalogueKind(StrEnum):
    """A list that is read as a whole."""

    TAXES = "taxes"
    PLANS = "plans"


@dataclass(frozen=True)
class Tax:
    """A row of ``GET /settings/taxes``. ``rate`` in percent."""

    tax_id: str
    name: str
    rate: Decimal


@dataclass(frozen=True)
class Term:
    """How long one invoice of a subscription is for."""

    interval: int
    unit: str
    """months or years in Zoho's specification; other words as they come."""

    @property
    def is_a_month(self) -> bool:
        """Whether the host's monthly_price is what it costs."""
        return (self.interval, self.unit) == (1, "months")

    @property
    def words(self) -> str:
        """'every month', 'every 12 months', 'every year'."""
        return f"every {self.unit.removesuffix('s')}" if self.interval == 1 else f"every {self.interval} {self.unit}"


@dataclass(frozen=True)
class Plan:
    """A row of ``GET /plans``: a term is ``interval`` times ``interval_unit`` (months or years)."""

    plan_code: str
    interval: int
    interval_unit: str
    active: bool

    @property
    def term(self) -> "Term":
        """How long it bills for."""
        return Term(self.interval, self.interval_unit)


def taxes_of(rows: Iterable[Mapping[str, JsonValue]]) -> tuple[Tax, ...]:
    """Taxes that can be put on a line: no groups (``tax_type``), none that Zoho calls inactive."""
    return tuple(
        Tax(str(row["tax_id"]), str(row.get("tax_name", "")), Decimal(str(row.get("tax_percentage", 0))))
        for row in rows
        if row.get("tax_id") and row.get("tax_type", "tax") == "tax" and row.get("is_inactive") not in (True, "true")
    )


def plans_of(rows: Iterable[Mapping[str, JsonValue]]) -> dict[str, Plan]:
    """Plans by their code."""
    plans = (plan_of(row) for row in rows if row.get("plan_code"))
    return {plan.plan_code: plan for plan in plans}


def plan_of(row: Mapping[str, JsonValue]) -> Plan:
    """A plan as a list or ``GET /plans/{plan_code}`` shows it. Raises ``KeyError`` without a code."""
    term = term_of(row) or Term(1, "months")
    return Plan(
        plan_code=str(row["plan_code"]),
        interval=term.interval,
        interval_unit=term.unit,
        active=row.get("status", "active") == "active",
    )


def term_of(record: Mapping[str, JsonValue]) -> Term | None:
    """The term of a plan or a subscription, a number or text; None: it shows none."""
    interval, unit = str(record.get("interval") or ""), str(record.get("interval_unit") or "")
    if not interval.isdecimal():
        return None
    return Term(int(interval), unit.strip().casefold() or "months")
