"""One host row beside what is known of its sending: what reconciliation does with it (pure functions)."""

from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

from outbox.entities.billing import raised_by_zoho
from outbox.entities.contract import AnyEntity, CannotMap, Desired, Terms
from outbox.reconciliation.differences import Agrees, Difference, DifferenceKind, Mend, NotCompared
from outbox.sending.present_row import Undecodable, named_by
from outbox.store.standing import Captured
from outbox.vocabulary import EntityType, Phase, SyncStatus
from outbox.wording import moment, one_line
from outbox.zoho.json_text import UnsendableText


@dataclass(frozen=True)
class NotOurBusiness:
    """Not eligible, and nothing of it is in Zoho, or what is there is as it was decided."""


@dataclass(frozen=True)
class ToCompare:
    """The row is to be compared with a record."""

    entity_id: UUID
    row: Any
    named: str
    zoho_id: str
    desired: Desired
    state: Captured | None
    note: str | None


@dataclass(frozen=True)
class ShouldBeGone:
    """Not eligible (any more), and a record of it may be alive."""

    entity_id: UUID
    named: str
    zoho_id: str
    reason: str


Judged = Difference | NotCompared | NotOurBusiness | ToCompare | ShouldBeGone


@dataclass(frozen=True)
class Known:
    """What is known of the sending of a row."""

    state: Captured | None
    """None: it was never captured."""
    not_admitted: bool = False
    """A change of it was captured that nobody has taken up yet."""
    set_aside: bool = False
    """Its status column says 'skipped'."""


def judge(entity: AnyEntity, entity_id: UUID, row: Any | Undecodable | None, sending: Known, terms: Terms) -> Judged:
    """What is to be done with a row of the host. ``terms`` with today and with catalogues."""
    state = sending.state
    kind = entity.entity_type
    named = named_by(entity, row, entity_id)
    if row is None or isinstance(row, Undecodable):
        return NotCompared(kind, entity_id, named, "the row cannot be read: check the daemon's rights and its values")
    in_row = (entity.zoho_id(row) or "").strip() or None
    known = state.zoho_id if state is not None else None
    zoho_id = known or in_row
    if sending.not_admitted:
        return NotCompared(kind, entity_id, named, "a change of it was captured, and not taken up yet")
    if state is not None and (on_its_way := _on_its_way(state)) is not None:
        return NotCompared(kind, entity_id, named, on_its_way)
    if (reason := entity.ineligible(row, terms)) is not None:
        if zoho_id is None or _was_billed_by_host(kind, row, terms):
            return NotOurBusiness()
        return ShouldBeGone(entity_id, named, zoho_id, reason)

    def difference(what: DifferenceKind, said: str, mend: Mend) -> Difference:
        return Difference(kind, entity_id, zoho_id, named, what, said, mend)

    if state is not None and state.phase is Phase.WAITING and zoho_id is None:
        said = f"waiting for {one_line(state.waiting_for)}"
        return difference(DifferenceKind.MISSING_IN_ZOHO, said, Mend.PERSON)
    if known is not None and in_row != known and not (state is not None and state.id_not_written):
        if in_row is None:
            said = f"its Zoho id {known} was cleared by hand: sent again, it is looked for first"
            return difference(DifferenceKind.ID_NOT_OURS, said, Mend.ENQUEUE)
        said = f"the row names {in_row}, and it was sent as {known}: correct the row's id"
        return difference(DifferenceKind.ID_NOT_OURS, said, Mend.PERSON)
    if zoho_id is None:
        return _missing(entity, entity_id, row, sending, terms)
    for prerequisite in entity.prerequisites(row, terms):
        if not prerequisite.rest:
            return NotCompared(kind, entity_id, named, f"it names {prerequisite.named} now")
    try:
        desired = entity.desired(row, terms)
        _ = desired.hash
    except (CannotMap, UnsendableText) as problem:
        return NotCompared(kind, entity_id, named, f"the row as it is now cannot be sent: {one_line(str(problem))}")
    note = None if state is None or state.phase is not Phase.IDLE else state.last_error
    return ToCompare(entity_id, row, named, zoho_id, desired, state, note)


def _was_billed_by_host(kind: EntityType, row: Any, terms: Terms) -> bool:
    """A recurring invoice that was sent while the host billed stays what it is (decisions.md, Who bills)."""
    return kind is EntityType.INVOICE and raised_by_zoho(row.invoice_type, terms)


def _on_its_way(state: Captured) -> str | None:
    """Why a row that is not at rest cannot be compared; None: it is at rest."""
    match state.phase:
        case Phase.READY:
            return f"pending since {moment(state.due_at)}"
        case Phase.LEASED:
            return f"being sent since {moment(state.leased_at)}"
        case Phase.SCHEDULED:
            return f"tried again at {moment(state.due_at)} after: {one_line(state.last_error)}"
        case Phase.WAITING | Phase.IDLE | Phase.DEAD:
            return None
        case _:
            assert_never(state.phase)


def _missing(entity: AnyEntity, entity_id: UUID, row: Any, sending: Known, terms: Terms) -> Judged:
    kind, named, state = entity.entity_type, entity.named(row), sending.state

    def difference(said: str, mend: Mend) -> Difference:
        return Difference(kind, entity_id, None, named, DifferenceKind.MISSING_IN_ZOHO, said, mend)

    if state is not None and state.phase is Phase.DEAD:
        return difference(f"dead: {one_line(state.last_error)}", Mend.PERSON)
    prerequisites = [each for each in entity.prerequisites(row, terms) if not each.rest]
    if not prerequisites:
        try:
            if entity.desired(row, terms).only_if_there is not None:
                return NotOurBusiness()
        except (CannotMap, UnsendableText) as problem:
            return difference(f"it cannot be sent: {one_line(str(problem))}", Mend.PERSON)
    if state is not None and state.shown_status == SyncStatus.SKIPPED:
        # Set aside by an operator, or not eligible when it was looked at last.
        return difference(f"skipped: {one_line(state.last_error)}; replay it if it is to be sent", Mend.PERSON)
    if state is None and sending.set_aside:
        said = "set aside (a backfill of it was undone, or its status says so); a backfill or a replay sends it"
        return difference(said, Mend.PERSON)
    if state is None:
        return difference("never sent: it was not captured, or is from before the installation", Mend.ENQUEUE)
    return difference("at rest and never sent", Mend.ENQUEUE)


def agreed(note: str | None, said: str | None) -> Agrees:
    """Equal, with what is worth knowing about it. That it was adopted once is history."""
    worth_knowing = [text for text in (note, said) if text and not text.startswith("adopted Zoho ")]
    return Agrees("; ".join(worth_knowing) or None)
