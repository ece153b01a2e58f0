"""What a subscription in Zoho says of itself (sheet 2.3): detail, list row and scheduled change.

A detail has ``plan{plan_code, price, quantity}`` and ``customer{customer_id}``; a list row has ``plan_code``,
``customer_id`` and ``amount``. ``amount`` is what a term costs, tax included, in both.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from outbox.entities.records import amount, custom_field, rows_of, word
from outbox.zoho.exchange import ApiReply
from outbox.zoho.json_text import JsonValue

Record = Mapping[str, JsonValue]

ACTIVE = "active"
ENDING = "ending"
"""It bills no other term, and can be re-activated until this one ends."""
CANCELLED = "cancelled"

LIFECYCLES = {
    "non_renewing": ENDING,
    "cancelled": CANCELLED,
    "cancelled_from_dunning": CANCELLED,
    "expired": CANCELLED,
    "trial_expired": CANCELLED,
    "creation_failed": CANCELLED,
}
"""By Zoho's word. Every other one, known or not (live, trial, future, dunning, unpaid, past_due, paused), is active:
whoever takes an unknown word for cancelled creates a second subscription beside a living one."""

TOLERANCE = Decimal("0.05")
"""Between a price of ours and Zoho's amount (decisions.md, Subscriptions)."""

_GENERATION = re.compile(r"#([2-9]|[1-9][0-9]{1,5})")


def lifecycle_of_record(record: Record) -> str:
    """'active', 'ending' or 'cancelled'."""
    return LIFECYCLES.get(word(record, "status"), ACTIVE)


def has_not_started(record: Record) -> bool:
    """Whether it bills from a day to come."""
    return word(record, "status") == "future"


def reference_of(service: str, generation: int) -> str:
    """The reference_id of a service's first, second … subscription: ``<id>``, ``<id>#2`` …"""
    return service if generation == 1 else f"{service}#{generation}"


def generation_of(reference: str, service: str) -> int | None:
    """Which of the service's subscriptions has this reference, from 1; None: it is not the service's."""
    if reference == service:
        return 1
    match = _GENERATION.fullmatch(reference.removeprefix(service)) if reference.startswith(service) else None
    return int(match[1]) if match else None


def customer_of(record: Record) -> str:
    """Its customer_id; '' where it does not say."""
    customer = record.get("customer")
    return word(record, "customer_id") or (word(customer, "customer_id") if isinstance(customer, Mapping) else "")


def plan_of(record: Record) -> Record:
    """Its plan object; empty where there is none."""
    plan = record.get("plan")
    return plan if isinstance(plan, Mapping) else {}


def plan_code_of(record: Record) -> str:
    """Its plan_code; '' where it does not say."""
    return word(plan_of(record), "plan_code") or word(record, "plan_code")


def has_plan(record: Record, wanted: Record) -> bool:
    """Whether it is to the wanted plan, at the wanted price, once."""
    plan = plan_of(record)
    return (
        word(plan, "plan_code") == wanted["plan_code"]
        and amount(plan, "price") == wanted["price"]
        and amount(plan, "quantity") in (None, wanted["quantity"])
    )


def costs(record: Record, price: Decimal) -> bool:
    """Whether a term costs what it should, to the tolerance."""
    shown = amount(record, "amount")
    return shown is not None and abs(shown - price) <= TOLERANCE


def has_fields(record: Record, wanted: JsonValue) -> bool:
    """Whether it shows the custom fields that were sent."""
    fields = rows_of({"custom_fields": wanted}, "custom_fields")
    return all((custom_field(record, str(field["label"])) or "") == field["value"] for field in fields)


def as_scheduled(record: Record, scheduled: Record) -> dict[str, JsonValue]:
    """The record as it will be from its next term on."""
    plan = plan_of(scheduled)
    costing = (amount(scheduled, "amount"), amount(plan, "total"), amount(plan, "price"))
    shown: dict[str, JsonValue] = {**record, "plan": plan}
    shown["amount"] = next((figure for figure in costing if figure is not None), "")
    return shown


def subscription_in(body: Record) -> Record | None:
    """The record in an envelope; None where it is not there."""
    record = body.get("subscription")
    return record if isinstance(record, Mapping) else None


def shown_by(reply: ApiReply) -> Record | None:
    """The record in a write's reply; None: it shows none, or not enough of it to go by."""
    record = subscription_in(reply.body)
    return record if record is not None and word(record, "status") and plan_of(record) else None
