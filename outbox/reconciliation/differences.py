"""What may differ between the two sides, and who mends it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

from outbox.vocabulary import EntityType


class DifferenceKind(StrEnum):
    """The names of differences, on screens and in ``zoho_outbox_private.reconciliation_difference``."""

    MISSING_IN_ZOHO = "missing_in_zoho"
    """Eligible, at rest, and Zoho has no record of it."""
    UNKNOWN_HERE = "unknown_here"
    """A record in Zoho that no row knows, and that no subscription raised."""
    DUPLICATE = "duplicate"
    """A second record in Zoho of one row."""
    FIELDS = "fields"
    """The record says something else than the row."""
    TOTAL = "total"
    """The record costs something else than the row."""
    STATE = "state"
    """Active, open, void, ended, refunded: another state than the row's."""
    PAID_HERE_OPEN_THERE = "paid_here_open_there"
    OTHER_INVOICE = "other_invoice"
    """A payment that is applied to another invoice than the row's, or to none."""
    ID_NOT_OURS = "id_not_ours"
    """The row's Zoho id names no record, or somebody else's."""
    SHOULD_BE_GONE = "should_be_gone"
    """A living record of a row that is deleted, or no longer to be in Zoho."""

    @property
    def in_words(self) -> str:
        """As a heading."""
        return _WORDS[self]


_WORDS: dict[DifferenceKind, str] = {
    DifferenceKind.MISSING_IN_ZOHO: "missing in Zoho",
    DifferenceKind.UNKNOWN_HERE: "unknown here",
    DifferenceKind.DUPLICATE: "duplicate in Zoho",
    DifferenceKind.FIELDS: "fields differ",
    DifferenceKind.TOTAL: "total differs",
    DifferenceKind.STATE: "state differs",
    DifferenceKind.PAID_HERE_OPEN_THERE: "paid here, open there",
    DifferenceKind.OTHER_INVOICE: "applied to another invoice",
    DifferenceKind.ID_NOT_OURS: "id stale or someone else's",
    DifferenceKind.SHOULD_BE_GONE: "should be gone",
}


class Mend(StrEnum):
    """Who can mend a difference."""

    ENQUEUE = "enqueue"
    """Sending the row again mends it, and cannot do harm: ``--fix`` does."""
    PERSON = "person"
    """Somebody must decide."""


@dataclass(frozen=True)
class Difference:
    """One difference. ``entity_id`` None: no row is known; ``zoho_id`` None: no record is."""

    entity_type: EntityType
    entity_id: UUID | None
    zoho_id: str | None
    named: str
    """The row as people know it, or the record; no personal data."""
    kind: DifferenceKind
    said: str
    """What differs, with both sides' figures, and what to do."""
    mend: Mend

    def as_json(self) -> dict[str, Any]:
        """Keys as the attributes."""
        return asdict(self)


@dataclass(frozen=True)
class Remark:
    """Worth knowing, and as the settings want it: counts as no difference."""

    entity_type: EntityType
    entity_id: UUID
    named: str
    said: str


@dataclass(frozen=True)
class NotCompared:
    """A row that nobody can say of whether it agrees, and why."""

    entity_type: EntityType
    entity_id: UUID | None
    named: str
    reason: str


@dataclass(frozen=True)
class Agrees:
    """Compared, and equal. ``remark``: see :class:`Remark`."""

    remark: str | None = None


def mend_of(kind: DifferenceKind) -> Mend:
    """Who mends a kind, where nothing about the single case says otherwise.

    Sending a row again is idempotent and looks before it creates; what needs a decision about money, or about a
    record that is not surely ours, is left to a person.
    """
    match kind:
        case DifferenceKind.MISSING_IN_ZOHO | DifferenceKind.FIELDS | DifferenceKind.TOTAL | DifferenceKind.STATE:
            return Mend.ENQUEUE
        case (
            DifferenceKind.UNKNOWN_HERE
            | DifferenceKind.DUPLICATE
            | DifferenceKind.PAID_HERE_OPEN_THERE
            | DifferenceKind.OTHER_INVOICE
            | DifferenceKind.ID_NOT_OURS
            | DifferenceKind.SHOULD_BE_GONE
        ):
            return Mend.PERSON
        case _:
            assert_never(kind)
