"""``find TYPE``: eligible rows that Zoho does not hold as they stand, one reason each.

Goes by what the daemon knows: the state of each row, and the hash of what Zoho was last told. What somebody changed in
Zoho itself is seen by ``reconcile``. Reads the database page by page, asks Zoho nothing, and writes nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

from outbox.clock import Clock, SystemClock
from outbox.commands.opening import open_database
from outbox.database import Database
from outbox.entities.contract import AnyEntity, CannotMap, Desired, Prerequisite, Terms, lifecycle_of
from outbox.entities.registry import ENTITIES
from outbox.sending.attempt import UNKNOWN, UNREADABLE
from outbox.sending.catalogue import Catalogues
from outbox.sending.present_row import Undecodable, named_by, read_rows
from outbox.sending.terms import SendingTerms
from outbox.settings import Settings
from outbox.store import standing
from outbox.store.catalogue import CatalogueStore
from outbox.store.standing import Captured
from outbox.vocabulary import EntityType, Phase, SyncStatus, Urgency
from outbox.wording import moment, one_line
from outbox.zoho.json_text import UnsendableText

PAGE = 500
"""Rows that are held at once."""


class Kind(StrEnum):
    """Why a row is named."""

    UNREADABLE = "unreadable"
    NEVER_CAPTURED = "never_captured"
    PENDING = "pending"
    PROCESSING = "processing"
    RETRYING = "retrying"
    WAITING = "waiting"
    DEAD = "dead"
    NOT_IN_ZOHO = "not_in_zoho"
    """At rest, and there is no record of it."""
    OTHER_ID = "other_id"
    """Its id column names another record than the known one, or none."""
    UNSENDABLE = "unsendable"
    """The row as it is now cannot be sent."""
    DIFFERS = "differs"
    """Zoho was told something else."""


@dataclass(frozen=True)
class Finding:
    """A row that Zoho does not hold as it stands."""

    entity_type: EntityType
    entity_id: UUID
    named: str
    kind: Kind
    reason: str
    zoho_id: str | None
    """The record that is known to be its, else the one that its id column names."""

    def as_json(self) -> dict[str, Any]:
        """Keys: entity_type, entity_id, named, kind (a word of :class:`Kind`), reason, zoho_id."""
        return asdict(self)

    def as_text(self) -> str:
        """A line: name, uuid, reason."""
        return f"{self.named} ({self.entity_id}): {self.reason}"


@dataclass(frozen=True)
class Judged:
    """A finding about a row, without the row."""

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Target:
    """What Zoho should hold, with its hash: as the row stands now."""

    desired: Desired
    hash: str


Wanted = Target | Prerequisite | CannotMap | UnsendableText | None
"""What a row asks for: what Zoho should hold, what must be first, why it cannot be sent; None: nobody can tell."""


class Finder:
    """One search. Its counters say how far it came."""

    def __init__(self, database: Database, catalogues: Catalogues, *, terms: SendingTerms, clock: Clock) -> None:
        self._database = database
        self._catalogues = catalogues
        self._terms = terms
        self._clock = clock
        self.eligible = 0
        """Eligible rows that were looked at, those that cannot be read included."""
        self.not_compared = 0
        """In Zoho, and not known whether as they stand: Zoho's taxes or plans were not read yet."""

    async def findings(self, entity_type: EntityType) -> AsyncIterator[Finding]:
        """Every row that is worth a word, in the order of the ids. Raises what the database raises."""
        entity = ENTITIES[entity_type]
        terms = self._terms.of_today(self._clock, Urgency.LIVE)
        known = await self._catalogues.as_stored(terms, entity.needs)
        after: UUID | None = None
        while True:
            ids, found = await self._page(entity, after, terms, known)
            for finding in found:
                yield finding
            if len(ids) < PAGE:
                return
            after = ids[-1]

    async def _page(
        self, entity: AnyEntity, after: UUID | None, terms: Terms, known: Terms | None
    ) -> tuple[list[UUID], list[Finding]]:
        kind = entity.entity_type
        async with standing.snapshot(self._database) as connection:
            ids = await standing.page(connection, kind, after, PAGE)
            rows = await read_rows(connection, entity, ids) if ids else {}
            captured = await standing.captured(connection, kind, ids)
            found = []
            for entity_id in ids:
                row, state = rows.get(entity_id), captured.get(entity_id)
                judged = self._judge(entity, row, state, terms, known)
                if judged is not None:
                    found.append(_finding(entity, entity_id, row, state, judged))
            suspects = [finding.entity_id for finding in found]
            since = await standing.not_admitted(connection, kind, suspects) if suspects else {}
        return ids, [_or_pending(finding, since.get(finding.entity_id)) for finding in found]

    def _judge(
        self,
        entity: AnyEntity,
        row: Any | Undecodable | None,
        state: Captured | None,
        terms: Terms,
        known: Terms | None,
    ) -> Judged | None:
        if row is None:
            self.eligible += 1
            return Judged(Kind.UNREADABLE, UNREADABLE)
        if isinstance(row, Undecodable):
            self.eligible += 1
            return Judged(Kind.UNREADABLE, f"it holds a value that cannot be read ({row.error}): correct it")
        if entity.ineligible(row, terms) is not None:
            return None
        wanted = _wanted(entity, row, terms, known)
        in_row = (entity.zoho_id(row) or "").strip() or None
        if is_left_out(in_row, state, wanted):
            return None
        self.eligible += 1
        if wanted is None and state is not None and state.zoho_id is not None:
            self.not_compared += 1
        return judge(in_row, state, wanted)


@asynccontextmanager
async def open_finder(settings: Settings) -> AsyncIterator[Finder]:
    """On a database that is fit for it. No engine: that would store the database's identity at the first run."""
    async with open_database(settings) as database:
        terms = SendingTerms.from_settings(settings, payloads_allowed=False)
        yield Finder(database, Catalogues(CatalogueStore(database)), terms=terms, clock=SystemClock())


def is_left_out(in_row: str | None, state: Captured | None, wanted: Wanted) -> bool:
    """Whether nothing is to be in Zoho: the record would be born ended, and there is none."""
    if not isinstance(wanted, Target) or wanted.desired.only_if_there is None:
        return False
    if state is None:
        return in_row is None
    return state.zoho_id is None and in_row is None and state.phase in (Phase.IDLE, Phase.READY)


def judge(in_row: str | None, state: Captured | None, wanted: Wanted) -> Judged | None:
    """Why Zoho does not hold an eligible row as it stands; None: it does, or nobody can tell.

    ``in_row`` is the row's Zoho id column.
    """
    if state is None:
        if in_row is None:
            return Judged(Kind.NEVER_CAPTURED, "never captured: it has not changed since installation")
        return Judged(
            Kind.NEVER_CAPTURED,
            f"never captured: whether Zoho has it as {in_row}, as the row says, was never looked at",
        )
    same_id = state.zoho_id is not None and (in_row == state.zoho_id or (in_row is None and state.id_not_written))
    if same_id and isinstance(wanted, Target) and wanted.hash == state.sent_hash:
        return None
    match state.phase:
        case Phase.LEASED:
            return Judged(Kind.PROCESSING, f"being sent since {moment(state.leased_at)}")
        case Phase.READY:
            return Judged(Kind.PENDING, f"pending since {moment(state.due_at)}")
        case Phase.SCHEDULED:
            return _retrying(state)
        case Phase.WAITING:
            return Judged(Kind.WAITING, f"waiting for {one_line(state.waiting_for)}")
        case Phase.DEAD:
            return Judged(Kind.DEAD, f"dead: {one_line(state.last_error)}")
        case Phase.IDLE:
            return _at_rest(state, wanted) if same_id else _without_record(in_row, state)
        case _:
            assert_never(state.phase)


def _retrying(state: Captured) -> Judged:
    after = one_line(state.last_error)
    if state.fate_unknown_at is not None:
        return Judged(
            Kind.RETRYING, f"looked for again at {moment(state.due_at)}, the fate of its create is unknown: {after}"
        )
    return Judged(Kind.RETRYING, f"retrying at {moment(state.due_at)} after: {after}")


def _without_record(in_row: str | None, state: Captured) -> Judged:
    """At rest; the row names another record than the known one, or there is none."""
    if in_row is not None:
        known = f"another than the known {state.zoho_id}" if state.zoho_id else "and no such record is known"
        return Judged(Kind.OTHER_ID, f"its Zoho id is {in_row}, {known}: the change of the id was not captured")
    if state.zoho_id is not None:
        return Judged(
            Kind.OTHER_ID,
            f"its Zoho id {state.zoho_id} was cleared by hand: its next sending looks for it in Zoho first",
        )
    if state.shown_status == SyncStatus.SKIPPED:
        return Judged(Kind.NOT_IN_ZOHO, f"skipped: {one_line(state.last_error)}; it is eligible now")
    return Judged(Kind.NOT_IN_ZOHO, "at rest and not in Zoho: its last entry was taken back before anything was sent")


def _at_rest(state: Captured, wanted: Wanted) -> Judged | None:
    """At rest, with a known record that was told something else than ``wanted``."""
    told = f"synced {moment(state.sent_at)} as {state.zoho_id}"
    match wanted:
        case None:
            return None
        case Prerequisite():
            return Judged(Kind.DIFFERS, f"{told}, and the row names {wanted.named} now")
        case CannotMap() | UnsendableText():
            return Judged(Kind.UNSENDABLE, f"{told}, and the row as it is now cannot be sent: {one_line(str(wanted))}")
        case Target(desired=desired, hash=hash_now):
            pass
        case _:
            assert_never(wanted)
    sent = state.sent_hash or ""
    reached = lifecycle_of(state.sent_hash)
    if not sent or UNKNOWN in (_digest(sent), reached):
        return Judged(Kind.DIFFERS, f"{told}, and what it was last told is in doubt")
    if _digest(sent) == _digest(hash_now):
        note = f" ({one_line(state.last_error)})" if state.last_error else ""
        return Judged(Kind.DIFFERS, f"{told}, where it is {reached} and is to be {desired.lifecycle}{note}")
    return Judged(Kind.DIFFERS, f"{told}, and the row differs now: it was changed past the triggers, or a setting was")


def _digest(text: str) -> str:
    return text.rpartition(":")[0]


def _wanted(entity: AnyEntity, row: Any, terms: Terms, known: Terms | None) -> Wanted:
    for prerequisite in entity.prerequisites(row, terms):
        return prerequisite
    if known is None and entity.needs_of(row, terms):
        return None
    try:
        desired = entity.desired(row, known or terms)
        return Target(desired, desired.hash)
    except (CannotMap, UnsendableText) as problem:
        return problem


def _finding(
    entity: AnyEntity, entity_id: UUID, row: Any | Undecodable | None, state: Captured | None, judged: Judged
) -> Finding:
    readable = row is not None and not isinstance(row, Undecodable)
    in_row = (entity.zoho_id(row) or "").strip() or None if readable else None
    known = state.zoho_id if state is not None else None
    return Finding(
        entity.entity_type, entity_id, named_by(entity, row, entity_id), judged.kind, judged.reason, known or in_row
    )


def _or_pending(finding: Finding, since: datetime | None) -> Finding:
    """A captured change that nobody has taken up yet outranks what was before, but for what is being sent."""
    if since is None or finding.kind is Kind.PROCESSING:
        return finding
    reason = f"pending since {moment(since)}: captured, and not taken up yet"
    return Finding(finding.entity_type, finding.entity_id, finding.named, Kind.PENDING, reason, finding.zoho_id)
