"""Comparing a record whole: read from Zoho, held against what the row asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from outbox.entities.contract import AnyEntity, Desired, Found, NotOurs, Terms
from outbox.entities.invoice_totals import TOLERANCE
from outbox.entities.payment_purpose import OnInvoice, OnRaised, Unapplied, purpose_of
from outbox.entities.records import amount, custom_field, rows_of, word
from outbox.entities.subscription_changes import SubscriptionInZoho
from outbox.entities.subscription_records import as_scheduled, has_plan, plan_of
from outbox.reconciliation.differences import DifferenceKind, Mend, mend_of
from outbox.reconciliation.judging import ToCompare
from outbox.reconciliation.listed import open_there
from outbox.reconciliation.reading import ReadingRemote
from outbox.vocabulary import EntityType
from outbox.zoho.json_text import JsonValue

ENDED_THERE = {
    EntityType.CUSTOMER: "inactive",
    EntityType.SUBSCRIPTION: "cancelled",
    EntityType.INVOICE: "void",
    EntityType.PAYMENT: "refunded",
}
"""The lifecycle in which a record of the type bills and takes nothing any more."""


@dataclass(frozen=True)
class Compared:
    """What came of it. ``kind`` None: it agrees."""

    kind: DifferenceKind | None
    said: str | None = None
    """With a kind: what differs. Without: worth knowing, and as it was decided."""
    mend: Mend | None = None
    theirs: Decimal | None = None
    """The record's sum, where it has one."""
    open_there: Decimal | None = None
    alive_there: bool = False
    refunded_there: Decimal | None = None
    """Of a payment."""


@dataclass(frozen=True)
class _There:
    """What the record comes to, whatever else is found."""

    theirs: Decimal | None
    open_there: Decimal | None
    alive: bool
    refunded: Decimal | None

    def agrees(self, said: str | None = None) -> Compared:
        return Compared(None, said, None, self.theirs, self.open_there, self.alive, self.refunded)

    def differs(self, kind: DifferenceKind, said: str, mend: Mend | None = None) -> Compared:
        """Mended by whom its kind says unless told otherwise."""
        by = mend_of(kind) if mend is None else mend
        return Compared(kind, said, by, self.theirs, self.open_there, self.alive, self.refunded)


async def compare(
    remote: ReadingRemote, entity: AnyEntity, one: ToCompare, terms: Terms, open_here: Decimal | None
) -> Compared:
    """The record whole against what the row asks for. Raises ``CallFailed`` and ``SendingStopped``."""
    row, zoho_id, desired, note = one.row, one.zoho_id, one.desired, one.note
    answer = await entity.examine(remote, row, zoho_id, desired, terms)
    if isinstance(answer, NotOurs):
        return Compared(DifferenceKind.ID_NOT_OURS, answer.reason, mend_of(DifferenceKind.ID_NOT_OURS))
    record = answer.record
    lifecycle = entity.lifecycle(record)
    there = _There(
        _sum(entity.entity_type, record),
        open_there(record) if entity.entity_type is EntityType.INVOICE else None,
        lifecycle != ENDED_THERE[entity.entity_type],
        amount(record, "amount_refunded") if entity.entity_type is EntityType.PAYMENT else None,
    )
    if lifecycle != desired.lifecycle and not _ends_with_its_term(lifecycle, desired):
        return _other_state(entity, lifecycle, desired, note, there)
    if desired.lifecycle == ENDED_THERE[entity.entity_type] and entity.entity_type is not EntityType.CUSTOMER:
        return there.agrees()
    off_by = entity.verified(record, desired)
    if off_by is not None and abs(off_by) > TOLERANCE:
        if entity.entity_type is EntityType.SUBSCRIPTION and await _is_scheduled(remote, zoho_id, record, desired):
            return there.agrees("its price changes with the next term")
        return _other_total(entity, record, off_by, there)
    if entity.entity_type is EntityType.INVOICE and (unpaid := _otherwise_open(record, open_here)):
        return there.differs(DifferenceKind.PAID_HERE_OPEN_THERE, unpaid)
    if entity.entity_type is EntityType.PAYMENT and (misapplied := _applied_otherwise(row, record, terms, note)):
        return there.differs(DifferenceKind.OTHER_INVOICE, misapplied)
    if await _differs(remote, entity, answer, desired, zoho_id):
        said = f"Zoho shows {_fields(record, desired.content) or 'something else than was sent'}"
        return there.differs(DifferenceKind.FIELDS, f"{said}: sent again by --fix")
    cents = f"Zoho's total is {off_by:+} off, which is rounding" if off_by else None
    return there.agrees(cents)


async def _differs(remote: ReadingRemote, entity: AnyEntity, found: Found, desired: Desired, zoho_id: str) -> bool:
    """A payment's allocation is compared apart; a subscription's plan may be one that is to change."""
    match entity.entity_type:
        case EntityType.PAYMENT:
            unallocated = {key: value for key, value in found.record.items() if key != "invoices"}
            return entity.mismatch(unallocated, desired) is not None
        case EntityType.SUBSCRIPTION if entity.differs(found, desired):
            return not await _is_scheduled(remote, zoho_id, found.record, desired)
        case EntityType.SUBSCRIPTION | EntityType.CUSTOMER | EntityType.INVOICE:
            return entity.differs(found, desired)


def _ends_with_its_term(lifecycle: str, desired: Desired) -> bool:
    """A subscription that bills no other term is what a cancellation asks for."""
    return lifecycle == "ending" and desired.lifecycle == "cancelled"


def _other_state(entity: AnyEntity, lifecycle: str, desired: Desired, note: str | None, there: _There) -> Compared:
    wanted = desired.lifecycle
    if entity.entity_type is EntityType.CUSTOMER and wanted == "inactive" and note is not None and "stays" in note:
        return there.agrees(note)  # decisions.md: not while it has a balance or a subscription
    ended = lifecycle == ENDED_THERE[entity.entity_type] or lifecycle == "ending"
    if ended and entity.entity_type is not EntityType.CUSTOMER:
        said = (
            f"{lifecycle} in Zoho, and {wanted} here: somebody ended it there; end the row too, or have it sent again "
            f"(zoho-outbox sync {entity.entity_type} ID --force)"
        )
        return there.differs(DifferenceKind.STATE, said, Mend.PERSON)
    if entity.entity_type is EntityType.PAYMENT:
        # A refund that Zoho took and does not show would be made again.
        said = f"{lifecycle} in Zoho, and to be {wanted}: zoho-outbox explain says what was sent; look at it in Zoho"
        return there.differs(DifferenceKind.STATE, said, Mend.PERSON)
    return there.differs(DifferenceKind.STATE, f"{lifecycle} in Zoho, and to be {wanted}: sent again by --fix")


def _other_total(entity: AnyEntity, record: Mapping[str, JsonValue], off_by: Decimal, there: _There) -> Compared:
    theirs = there.theirs
    ours = None if theirs is None else theirs - off_by
    said = f"{theirs} in Zoho, and {ours} here"
    paid = amount(record, "payment_made") or Decimal(0)
    if entity.entity_type is EntityType.INVOICE and (paid or rows_of(record, "payments")):
        said += ": Zoho changes no invoice that has payments; correct it there, or the row"
        return there.differs(DifferenceKind.TOTAL, said, Mend.PERSON)
    if entity.entity_type is EntityType.PAYMENT:
        said += ": correct the payment in Zoho, or the row"
        return there.differs(DifferenceKind.TOTAL, said, Mend.PERSON)
    return there.differs(DifferenceKind.TOTAL, f"{said}: sent again by --fix")


def _otherwise_open(record: Mapping[str, JsonValue], open_here: Decimal | None) -> str | None:
    theirs = open_there(record)
    if open_here is None or theirs is None or abs(theirs - open_here) <= TOLERANCE:
        return None
    if theirs > open_here:
        return (
            f"{theirs} is to be paid in Zoho, and {open_here} here: zoho-outbox find payment names payments that are "
            "not there; one that is there may be applied to another invoice"
        )
    return (
        f"{theirs} is to be paid in Zoho, and {open_here} here: a payment or credit was entered in Zoho that this "
        "database does not know; enter it here, or take it back there"
    )


def _applied_otherwise(row: Any, record: Mapping[str, JsonValue], terms: Terms, note: str | None) -> str | None:
    purpose = purpose_of(row, terms)
    applied = {word(each, "invoice_id") for each in rows_of(record, "invoices")} - {""}
    on = ", ".join(sorted(applied)) or "no invoice"
    match purpose:
        case OnInvoice() | OnRaised() if not applied and note is not None and _is_told(note):
            return None  # told when it was sent, and as it was decided
        case OnInvoice(invoice_id=invoice_id) if invoice_id not in applied:
            return f"applied to {on} in Zoho, and here it is for Zoho invoice {invoice_id}: apply it there"
        case OnRaised() if not applied:
            return (
                "applied to no invoice in Zoho, and here it is for a recurring one: apply it to the invoice that Zoho "
                "raised for that period"
            )
        case Unapplied(note=told) if applied and told is None:
            return f"applied to {on} in Zoho, and here it is for none: link the row to its invoice, or undo it there"
        case _:
            return None


def _is_told(note: str) -> bool:
    return "not applied" in note or "is credit" in note


async def _is_scheduled(remote: ReadingRemote, zoho_id: str, record: Mapping[str, JsonValue], desired: Desired) -> bool:
    """Whether Zoho changes to the wanted plan with the next term."""
    scheduled = await SubscriptionInZoho(remote, zoho_id).scheduled()
    return scheduled is not None and has_plan(as_scheduled(record, scheduled), plan_of(desired.content))


def _fields(record: Mapping[str, JsonValue], content: Mapping[str, JsonValue]) -> str:
    """The keys that the record holds otherwise; names, not values: they may be personal."""
    names = [key for key, value in content.items() if key in record and _is_other(record, key, value)]
    names += [
        f"custom field {word(field, 'label')}"
        for field in rows_of(content, "custom_fields")
        if (custom_field(record, word(field, "label")) or "") != field["value"]
    ]
    return "another " + ", ".join(names) if names else ""


def _is_other(record: Mapping[str, JsonValue], key: str, value: JsonValue) -> bool:
    match value:
        case str():
            return word(record, key).strip() != value.strip()
        case int() | Decimal():
            return amount(record, key) != value
        case Mapping():
            inner = record.get(key)
            return isinstance(inner, Mapping) and any(_is_other(inner, each, value[each]) for each in value)
        case _:
            return False


def _sum(entity_type: EntityType, record: Mapping[str, JsonValue]) -> Decimal | None:
    match entity_type:
        case EntityType.INVOICE:
            return amount(record, "total")
        case EntityType.PAYMENT | EntityType.SUBSCRIPTION:
            return amount(record, "amount")
        case EntityType.CUSTOMER:
            return None
