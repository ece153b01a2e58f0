"""What became of the entries that a command appended or reopened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never
from uuid import UUID

from outbox.database import Database, Row
from outbox.store.readings import LONG_SECONDS
from outbox.store.statements import statement
from outbox.vocabulary import EntityType, EntryStatus


@dataclass
class Run:
    """The entries of one run, known by ``name`` in ``requested_by``."""

    name: str
    first: int | None = None
    last: int | None = None

    def widen(self, ids: Iterable[int]) -> None:
        """Adds entries."""
        for entry in ids:
            self.first = entry if self.first is None else min(self.first, entry)
            self.last = entry if self.last is None else max(self.last, entry)


@dataclass(frozen=True)
class Reopened:
    """Entries that were there before, known by their ids: a reopened one says nothing of the run that reopened it."""

    ids: Sequence[int]


@dataclass(frozen=True)
class Standing:
    """Followed entries by type and status."""

    by_status: Counter[tuple[EntityType, EntryStatus]] = field(default_factory=Counter)
    later: Counter[EntityType] = field(default_factory=Counter)
    """Of those pending: between attempts, and not due within a minute."""
    soon: Counter[EntityType] = field(default_factory=Counter)
    """Of those waiting: what they wait for is on its way."""

    def count(self, entity_type: EntityType, *statuses: EntryStatus) -> int:
        """Entries of that type in any of ``statuses``."""
        return sum(self.by_status[entity_type, status] for status in statuses)

    def moving(self, entity_type: EntityType) -> int:
        """Entries that will move within the minute."""
        open_now = self.count(entity_type, EntryStatus.PENDING, EntryStatus.PROCESSING)
        return open_now - self.later[entity_type] + self.soon[entity_type]


@dataclass(frozen=True)
class Reason:
    """Why entries are not done. ``example``: the id of one of their rows."""

    entity_type: EntityType
    status: EntryStatus
    reason: str
    entries: int
    example: UUID


@dataclass
class Follower:
    """Reads only."""

    database: Database

    async def standing(self, run: Run | Reopened) -> Standing:
        """Where the entries of ``run`` stand."""
        standing = Standing()
        for row in await self._rows("followed_entries", run):
            entity_type = EntityType(row["entity_type"])
            standing.by_status[entity_type, EntryStatus(row["status"])] += row["entries"]
            if row["later"]:
                standing.later[entity_type] += row["entries"]
            if row["soon"]:
                standing.soon[entity_type] += row["entries"]
        return standing

    async def reasons(self, run: Run | Reopened) -> list[Reason]:
        """Why those that are not done are not, the most frequent of each type and status first."""
        return [
            Reason(
                EntityType(row["entity_type"]),
                EntryStatus(row["status"]),
                row["reason"] or "not tried yet",
                row["entries"],
                UUID(row["example"]),
            )
            for row in await self._rows("followed_reasons", run)
        ]

    async def _rows(self, name: str, run: Run | Reopened) -> list[Row]:
        parameters: dict[str, Any]
        match run:
            case Run(first=None) | Reopened(ids=[]):
                return []
            case Run(first=first, last=last, name=run_name):
                without, parameters = "reopened", {"first": first, "last": last, "run": run_name}
            case Reopened(ids=ids):
                without, parameters = "appended", {"ids": list(ids)}
            case _:
                assert_never(run)
        return await self.database.rows(statement(name, without), parameters, seconds=LONG_SECONDS)
