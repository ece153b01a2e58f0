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
class Plan:
    """A row of ``GET /plans``: a term is ``interval`` times ``interval_unit`` (months or years)."""

    plan_code: str
    interval: int
    interval_unit: str
    active: bool


def taxes_of(rows: Iterable[Mapping[str, JsonValue]]) -> tuple[Tax, ...]:
    """Taxes that can be put on a line: no groups (``tax_type``), none that Zoho calls inactive."""
    return tuple(
        Tax(str(row["tax_id"]), str(row.get("tax_name", "")), Decimal(str(row.get("tax_percentage", 0))))
        for row in rows
        if row.get("tax_id") and row.get("tax_type", "tax") == "tax" and row.get("is_inactive") not in (True, "true")
    )


def plans_of(rows: Iterable[Mapping[str, JsonValue]]) -> dict[str, Plan]:
    """Plans by their code."""
    plans = (
        Plan(
            plan_code=str(row["plan_code"]),
            interval=int(str(row.get("interval") or 1)),
            interval_unit=str(row.get("interval_unit") or "months"),
            active=row.get("status", "active") == "active",
        )
        for row in rows
        if row.get("plan_code")
    )
    return {plan.plan_code: plan for plan in plans}
