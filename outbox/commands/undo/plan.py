"""What ``backfill --undo`` would do, row by row: from the database alone, nothing written, Zoho not asked.

Which rows
----------
Those that a backfill took up: an entry of origin ``backfill`` is theirs, or one of origin ``child`` with a backfill's
urgency (a row of the backfill needed them first). All backfills whose entries are still kept
(``OUTBOX_RETENTION_DAYS``) count as one: a first backfill is interrupted and begun again. A replayed entry says
``operator``; it is known by the moment of the transaction that wrote it, as long as another entry of that transaction
still says ``backfill``. What was born live (its INSERT was captured), or was in Zoho before the backfill, is none of
it, whoever sent it last.

What becomes of each
--------------------
============  =========================================================================================================
remove        we created it: a create of ours was committed after the backfill's first entry (``entity_state.intents``),
              and the fate is known. Whether the record is that one is proved when it is read, before anything is done
let_go        no create of ours ever left: it was in Zoho before, and was adopted. It stays there as it is, with what
              was written to it meanwhile (nobody stored what stood there before); the row forgets it
set_aside     the backfill has not sent it yet: its entries are set aside, or the end of the pause would send it
stays         not the backfill's doing, or not told apart from somebody else's: nothing is changed
unknown       a create left and its fate is unknown: nothing at all is undone before that is settled
left          a create of ours left, and the record was adopted all the same, not to settle that create's unknown
              fate: it may have been refused, and a person may have entered the record after it. It is read, and left
              to a person; the row forgets it where Zoho has it no more, or it is older than the backfill
in_flight     it is being sent at this moment: likewise
============  =========================================================================================================

Order: payments, invoices, subscriptions, customers: what hangs on a record goes before it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from outbox.store.undo import TakenUp, UndoStore, Who
from outbox.vocabulary import EntityType, Phase
from outbox.wording import columns, count

ORDER: Final = (EntityType.PAYMENT, EntityType.INVOICE, EntityType.SUBSCRIPTION, EntityType.CUSTOMER)

REQUESTS: Final = {
    EntityType.PAYMENT: 2,
    EntityType.INVOICE: 2,
    EntityType.SUBSCRIPTION: 4,
    EntityType.CUSTOMER: 4,
}
"""To Zoho, for a record that is removed: it is read, what hangs on it is, and it goes."""

PAUSE_FIRST = (
    "sending is not paused: type zoho-outbox pause --why 'undoing the backfill', and once nothing is in flight any "
    "more (zoho-outbox status) zoho-outbox backfill --undo --yes"
)


class Becomes(StrEnum):
    """What is done with a row; see the head of this file."""

    REMOVE = "remove"
    LET_GO = "let_go"
    SET_ASIDE = "set_aside"
    STAYS = "stays"
    LEFT = "left"
    UNKNOWN = "unknown"
    IN_FLIGHT = "in_flight"


WORK: Final = frozenset({Becomes.REMOVE, Becomes.LET_GO, Becomes.SET_ASIDE, Becomes.LEFT})
"""Of which something may be undone."""

IN_ZOHO: Final = {
    EntityType.PAYMENT: "created by us: deleted, and its invoices are owed again",
    EntityType.INVOICE: "created by us: deleted; void where Zoho does not delete it; left where a payment is on it",
    EntityType.SUBSCRIPTION: "created by us: cancelled now and deleted; left where Zoho has raised invoices of it",
    EntityType.CUSTOMER: "created by us: deleted; made inactive where only ended records hang on it; else left",
}
"""What becomes of a record that we created."""


@dataclass(frozen=True)
class Item:
    """A row, and what becomes of it."""

    entity_type: EntityType
    entity_id: UUID
    known_as: str | None
    zoho_id: str | None
    becomes: Becomes
    why: str
    since: datetime
    """Nothing of ours is older."""
    sent_at: datetime | None
    certain: bool
    """The database alone shows that the record is the one that was created."""

    @property
    def named(self) -> str:
        """'customer CT-2025-00015'."""
        return f"{self.entity_type} {self.known_as or self.entity_id}"

    @property
    def in_zoho(self) -> str:
        """'customer CT-2025-00015, Zoho 4600000000000123'."""
        return f"{self.named}, {f'Zoho {self.zoho_id}' if self.zoho_id else 'not in Zoho'}"

    def as_json(self) -> dict[str, Any]:
        """``becomes`` is one of :class:`Becomes`."""
        return {
            "type": self.entity_type,
            "id": self.entity_id,
            "named": self.named,
            "zoho_id": self.zoho_id,
            "becomes": self.becomes,
            "why": self.why,
        }


@dataclass(frozen=True)
class UndoPlan:
    """All of it, in the order in which it would be done."""

    items: tuple[Item, ...]
    who: Who

    def of(self, becomes: Becomes, entity_type: EntityType | None = None) -> list[Item]:
        """The rows that become that."""
        return [
            item
            for item in self.items
            if item.becomes is becomes and (entity_type is None or item.entity_type is entity_type)
        ]

    @property
    def requests(self) -> int:
        """To Zoho, about: one record that cannot be deleted takes one or two more."""
        return sum(REQUESTS[item.entity_type] for item in self.of(Becomes.REMOVE)) + len(self.of(Becomes.LEFT))

    @property
    def barred(self) -> list[str]:
        """What must be settled first, a sentence each."""
        unknown = [
            f"{item.named}: a create left and its fate is unknown; end the pause, zoho-outbox sync {item.entity_type} "
            f"{item.entity_id} looks for it, then pause again"
            for item in self.of(Becomes.UNKNOWN)
        ]
        return unknown + [f"{item.named}: is being sent now; wait for its end" for item in self.of(Becomes.IN_FLIGHT)]

    @property
    def next_step(self) -> str:
        """What to type to have it done."""
        return PAUSE_FIRST if self.who.paused_at is None else "to have it done: zoho-outbox backfill --undo --yes"

    @property
    def has_work(self) -> bool:
        """Whether there is anything to undo."""
        return any(item.becomes in WORK for item in self.items)

    def as_json(self) -> dict[str, Any]:
        """``counts`` by type and :class:`Becomes`; ``records`` in the order of the work."""
        counts: dict[str, dict[str, int]] = {}
        for (entity_type, becomes), number in Counter((item.entity_type, item.becomes) for item in self.items).items():
            counts.setdefault(entity_type, {})[becomes] = number
        return {
            "counts": counts,
            "records": [item.as_json() for item in self.items],
            "requests": self.requests,
            "paused": self.who.paused_at is not None,
            "barred": self.barred,
        }

    def as_text(self) -> str:
        """The counts, then every row."""
        if not self.items:
            return "no backfill has left anything to undo"
        kinds = [becomes for becomes in Becomes if self.of(becomes)]
        rows = [(f"{kind}s", *(str(len(self.of(becomes, kind))) for becomes in kinds)) for kind in ORDER]
        lines = columns(("type", *kinds), rows, right=frozenset(kinds))
        lines.append("")
        lines += [f"{item.becomes:<9}  {item.in_zoho}: {item.why}" for item in self.items]
        lines += [
            "",
            f"about {count(self.requests, 'request', 'requests')} to Zoho; each record is read first, and one that is "
            "not ours, or on which something else hangs, is left and named",
        ]
        lines += [f"first: {sentence}" for sentence in self.barred]
        return "\n".join(lines)


async def make_plan(store: UndoStore) -> UndoPlan:
    """Reads every row that a backfill took up."""
    items: list[Item] = []
    for entity_type in ORDER:
        items += [item for row in await store.taken_up(entity_type) if (item := _item(row)) is not None]
    return UndoPlan(tuple(items), await store.who())


def _item(row: TakenUp) -> Item | None:
    told = _told(row)
    if told is None:
        return None
    becomes, why = told
    return Item(
        row.entity_type,
        row.entity_id,
        row.known_as,
        row.zoho_id,
        becomes,
        why,
        row.since,
        row.sent_at,
        certain=row.sent_at is not None and not row.says_adopted,
    )


def _told(row: TakenUp) -> tuple[Becomes, str] | None:
    """None: it is neither in Zoho nor on its way there."""
    if row.fate_unknown:
        return Becomes.UNKNOWN, "a create left and its fate is unknown"
    if row.phase == Phase.LEASED:
        return Becomes.IN_FLIGHT, "it is being sent now"
    if row.zoho_id is None:
        return _not_in_zoho(row)
    if row.born_here:
        return Becomes.STAYS, "born live: its INSERT was captured"
    if row.host_zoho_id is not None and row.host_zoho_id != row.zoho_id:
        return Becomes.STAYS, f"the row names another record ({row.host_zoho_id}): correct that first"
    if row.intents > 0 and row.may_be_anothers:
        return Becomes.LEFT, "adopted: whether we made it cannot be told; look whose it is, and decide in Zoho"
    if row.intents > 0 and row.created_since:
        return Becomes.REMOVE, IN_ZOHO[row.entity_type]
    if row.intents > 0:
        return Becomes.STAYS, "created by us before the backfill"
    if row.named_by_backfill and not row.id_set:
        return Becomes.LET_GO, "adopted: it was in Zoho before, stays there, and the row forgets it"
    return Becomes.STAYS, "adopted, and not by the backfill alone: its id was known or set by hand before"


def _not_in_zoho(row: TakenUp) -> tuple[Becomes, str] | None:
    if not row.is_open:
        return None
    if row.other_is_open or row.born_here:
        return Becomes.STAYS, "not in Zoho, and a live change of it is to be sent"
    if row.host_zoho_id is not None:
        return Becomes.STAYS, f"the row names a record ({row.host_zoho_id}) that is not known to be its own"
    return Becomes.SET_ASIDE, "not sent yet: its entries are set aside"
