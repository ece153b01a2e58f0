"""What a list row alone shows: whether its record must be read (pure functions).

List rows are thin (sheet 2): customers without custom fields, subscriptions without their plan's price, payments as
transactions with a day and an amount. So a list row never proves that a record agrees in everything; it shows what a
nightly comparison is for, and ``--deep`` reads the rest.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from outbox.entities.contract import AnyEntity, Desired
from outbox.entities.invoice_records import number_of, state_of
from outbox.entities.invoice_totals import TOLERANCE
from outbox.entities.payment_look import listed_under as payment_keys
from outbox.entities.records import amount, word
from outbox.entities.subscription_records import costs, customer_of, lifecycle_of_record, plan_code_of, plan_of
from outbox.reconciliation.differences import DifferenceKind
from outbox.vocabulary import EntityType
from outbox.zoho.json_text import JsonValue

Listed = Mapping[str, JsonValue]


def suspicion(entity: AnyEntity, desired: Desired, listed: Listed, open_here: Decimal | None) -> DifferenceKind | None:
    """What seems to differ; None: nothing that a list shows.

    ``open_here`` is what is still to be paid of an invoice; None for other types.
    """
    match entity.entity_type:
        case EntityType.CUSTOMER:
            return _customer(entity, desired, listed)
        case EntityType.SUBSCRIPTION:
            return _subscription(desired, listed)
        case EntityType.INVOICE:
            return _invoice(desired, listed, open_here)
        case EntityType.PAYMENT:
            return _payment(desired, listed)
        case _:
            assert_never(entity.entity_type)


def is_alive(entity_type: EntityType, listed: Listed) -> bool:
    """Whether the record still does something: one that has ended needs nobody."""
    match entity_type:
        case EntityType.CUSTOMER:
            return word(listed, "status") != "inactive"
        case EntityType.SUBSCRIPTION:
            return lifecycle_of_record(listed) == "active"
        case EntityType.INVOICE:
            return state_of(listed) != "void"
        case EntityType.PAYMENT:
            return True
        case _:
            assert_never(entity_type)


def named(entity_type: EntityType, zoho_id: str, listed: Listed) -> str:
    """A record that no row knows, without personal data."""
    match entity_type:
        case EntityType.INVOICE:
            return f"Zoho invoice {number_of(listed) or zoho_id} ({zoho_id})"
        case EntityType.SUBSCRIPTION:
            reference = word(listed, "reference_id")
            return f"Zoho subscription {zoho_id}" + (f" (reference {reference})" if reference else "")
        case EntityType.PAYMENT:
            return f"Zoho payment {zoho_id} of {word(listed, 'date')}"
        case EntityType.CUSTOMER:
            return f"Zoho customer {zoho_id}"
        case _:
            assert_never(entity_type)


def worth(entity_type: EntityType, listed: Listed) -> Decimal | None:
    """What the record comes to in money; None: it is no sum, or shows none."""
    match entity_type:
        case EntityType.INVOICE:
            return None if state_of(listed) != "open" else amount(listed, "total")
        case EntityType.PAYMENT:
            return amount(listed, "amount")
        case EntityType.CUSTOMER | EntityType.SUBSCRIPTION:
            return None
        case _:
            assert_never(entity_type)


def day_of(listed: Listed) -> str:
    """The record's day, ``yyyy-mm-dd``; '' where it shows none."""
    return word(listed, "date") or word(listed, "invoice_date")


def open_there(record: Mapping[str, JsonValue]) -> Decimal | None:
    """What is still to be paid of an invoice in Zoho."""
    return Decimal(0) if state_of(record) == "void" else amount(record, "balance")


def _customer(entity: AnyEntity, desired: Desired, listed: Listed) -> DifferenceKind | None:
    if entity.lifecycle(listed) != desired.lifecycle:
        return DifferenceKind.STATE
    if word(listed, "display_name") != desired.content["display_name"]:
        return DifferenceKind.FIELDS
    email = desired.content.get("email")
    if "email" in listed and email is not None and word(listed, "email").casefold() != str(email).casefold():
        return DifferenceKind.FIELDS
    return None


def _subscription(desired: Desired, listed: Listed) -> DifferenceKind | None:
    alive = lifecycle_of_record(listed) == "active"
    if alive != (desired.lifecycle == "active"):
        return DifferenceKind.STATE
    if not alive:
        return None
    plan: Mapping[str, Any] = plan_of(desired.content)
    if plan_code_of(listed) != plan["plan_code"]:
        return DifferenceKind.FIELDS
    if not costs(listed, plan["price"]):
        return DifferenceKind.TOTAL
    if customer_of(listed) not in ("", desired.content["customer_id"]):
        return DifferenceKind.FIELDS
    return None


def _invoice(desired: Desired, listed: Listed, open_here: Decimal | None) -> DifferenceKind | None:
    if state_of(listed) != desired.lifecycle:
        return DifferenceKind.STATE
    if desired.lifecycle == "void":
        return None
    total = amount(listed, "total")
    wanted = _total_of(desired)
    if total is not None and wanted is not None and abs(total - wanted) > TOLERANCE:
        return DifferenceKind.TOTAL
    theirs = open_there(listed)
    if open_here is not None and theirs is not None and abs(theirs - open_here) > TOLERANCE:
        return DifferenceKind.PAID_HERE_OPEN_THERE
    shown = {
        "customer_id": word(listed, "customer_id"),
        "invoice_number": number_of(listed).strip(),
        "date": day_of(listed),
        "due_date": word(listed, "due_date"),
    }
    if any(value and desired.content[key] != value for key, value in shown.items()):
        return DifferenceKind.FIELDS
    return None


def _payment(desired: Desired, listed: Listed) -> DifferenceKind | None:
    if desired.lifecycle == "refunded":
        return DifferenceKind.STATE  # A transaction does not show what was paid back.
    paid = amount(listed, "amount")
    if paid is not None and paid != desired.content["amount"]:
        return DifferenceKind.TOTAL
    if payment_keys(listed) and word(listed, "date") not in ("", str(desired.content["date"])):
        return DifferenceKind.FIELDS
    return None


def _total_of(desired: Desired) -> Decimal | None:
    """An invoice's total stands in what it is looked up by."""
    *_, total = desired.look_key.split("\n")
    try:
        return Decimal(total)
    except ArithmeticError:
        return None
