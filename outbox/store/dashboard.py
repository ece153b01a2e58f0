"""What the dashboard's pages read, and what its people start. Every statement is bounded, however much there is.

Reading: pages go on from a place (keyset) and never count what lies before it. Changing: the operators' SQL functions,
in a transaction that names who acts.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import psycopg

from outbox.database import Database, DatabaseUnavailable, Row
from outbox.database.access import is_unavailability
from outbox.store.statements import statement
from outbox.vocabulary import EntityType, LogStatus

WINDOW = 10_000
"""Attempts that one page of the activity goes through at most, whatever its filters leave of them: with their payloads
46 ms (of 1,000,000, on a busy machine)."""

MOST_DEAD = 500
"""Dead letters of each type that are sorted by cause at once: the cause of each takes a tenth of a millisecond."""

MOST_REPLAYED = 250
"""Dead letters that one press of a button replays."""

MOST_COMPARISONS = 15
"""Runs of reconcile that are listed."""

MOST_FINDINGS = 5_000
"""Findings of each type of a run that are sorted by kind at once."""

MOST_OF_A_KIND = 100
"""Findings of one kind that a page shows."""

LATEST_ID: Final = UUID(int=2**128 - 1)
EARLIEST_ID: Final = UUID(int=0)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Named:
    """What people call a row: 'INV-2025-00001', and beside it whose it is."""

    title: str
    detail: str


@dataclass(frozen=True)
class Place:
    """Where a page goes on: before this moment and id, or after them."""

    at: datetime
    id: UUID


NEWEST: Final = Place(LATEST, LATEST_ID)


@dataclass(frozen=True)
class Activity:
    """One page of attempts, newest first."""

    rows: Sequence[Row]
    """id, created_at, entity_type, entity_id, status, attempt_number, duration_ms, api_calls, failure_class, zoho_code,
    zoho_id, error."""
    older: Place | None
    """Where the next page begins; None: nothing is older."""
    searched_to: datetime | None
    """The filters left less than a page of the newest :data:`WINDOW` attempts: they were looked through back to this
    moment. None: the page is full, or there is nothing older."""


@dataclass(frozen=True)
class Cause:
    """What dead letters of a type have in common; its key stands in addresses."""

    entity_type: EntityType
    digest: str

    @classmethod
    def of(cls, key: str) -> "Cause | None":
        """'invoice-0123456789abcdef'; None where it is no key."""
        found = re.fullmatch("([a-z]+)-([0-9a-f]{16})", key)
        if found is None or found[1] not in [*EntityType]:
            return None
        return cls(EntityType(found[1]), found[2])


class WorkStanding(StrEnum):
    """Kinds of unfinished work, one list each."""

    PENDING = "pending"
    RETRYING = "retrying"
    WAITING = "waiting"
    SYNCING = "syncing"


@dataclass(frozen=True)
class WorkPlace:
    """Where a list of unfinished work goes on. Each standing is ordered by other columns; the rest is not looked at."""

    urgency: int = -1
    at: datetime = EARLIEST
    awaited: UUID = EARLIEST_ID
    id: UUID = EARLIEST_ID


class SchemaTooOld(DatabaseUnavailable):
    """The daemon is newer than its schema. The text names what is missing and what to run, and may be shown."""


class Dashboard:
    """Reads; raises :class:`outbox.database.DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self, rows: Iterable[tuple[EntityType, UUID]]) -> dict[tuple[EntityType, UUID], Named]:
        """What people call those rows; a row that is gone, or that may not be read, is not in it."""
        wanted: dict[EntityType, set[UUID]] = {}
        for entity_type, entity_id in rows:
            wanted.setdefault(entity_type, set()).add(entity_id)
        return {
            (entity_type, row["id"]): Named(row["title"] or str(row["id"]), row["detail"] or "")
            for entity_type, ids in wanted.items()
            for row in await self._names_of(entity_type, ids)
        }

    async def _names_of(self, entity_type: EntityType, ids: Collection[UUID]) -> list[Row]:
        name, parameters = f"dashboard_names_{entity_type}", {"ids": list(ids)}
        try:
            return await self._database.rows(statement(name), parameters)
        except psycopg.errors.UndefinedColumn:  # A host of November 2025.
            return await self._database.rows(statement(name, "newer columns"), parameters)
        except psycopg.errors.InsufficientPrivilege:
            return []

    async def activity(
        self,
        *,
        types: Collection[EntityType],
        statuses: Collection[LogStatus],
        since: datetime | None,
        before: Place,
        limit: int,
    ) -> Activity:
        """Attempts older than ``before``, of those types and statuses."""
        place: dict[str, Any] = {
            "since": since or EARLIEST,
            "before_at": before.at,
            "before_id": before.id,
            "window": WINDOW,
        }
        filters = {"types": list(types), "statuses": list(statuses), "limit": limit + 1}
        rows = await self._database.rows(statement("dashboard_activity"), place | filters)
        if len(rows) > limit:
            last = rows[limit - 1]
            return Activity(rows[:limit], Place(last["created_at"], last["id"]), None)
        end = await self._database.row(statement("dashboard_activity_end"), place)
        if end is None:
            return Activity(rows, None, None)
        return Activity(rows, Place(end["created_at"], end["id"]), end["created_at"])

    async def hours(self, end: datetime) -> list[Row]:
        """The 24 hours before ``end``: begins, entity_type, succeeded, failed, retried, requests, milliseconds."""
        return await self._database.rows(
            statement("dashboard_hours"), {"end": end, "types": [str(entity_type) for entity_type in EntityType]}
        )

    async def work(self, standing: WorkStanding, after: WorkPlace, limit: int) -> tuple[list[Row], WorkPlace | None]:
        """Unfinished work of one standing, in its order; and where the next page begins.

        Rows: entity_type, entity_id, urgency, due_at, attempts, leased_at, waits_for_type, waits_for_id, reason.
        """
        others = tuple(str(other) for other in WorkStanding if other is not standing)
        rows = await self._database.rows(
            statement("dashboard_work", *others),
            {
                "after_urgency": after.urgency,
                "after_at": after.at,
                "after_awaited": after.awaited,
                "after_id": after.id,
                "limit": limit + 1,
            },
        )
        if len(rows) <= limit:
            return rows, None
        last = rows[limit - 1]
        return rows[:limit], WorkPlace(
            last["urgency"], last["due_at"], last["waits_for_id"] or EARLIEST_ID, last["entity_id"]
        )

    async def captured(self, after: int, limit: int) -> tuple[list[Row], int | None]:
        """Changes that no daemon has taken up yet, oldest first; and where the next page begins.

        Rows: id, entity_type, entity_id, created_at, change, origin, requested_by.
        """
        rows = await self._database.rows(statement("dashboard_captured"), {"after": after, "limit": limit + 1})
        return (rows, None) if len(rows) <= limit else (rows[:limit], rows[limit - 1]["id"])

    async def dead_count(self) -> int:
        """How many rows are dead."""
        row = await self._database.row(statement("dashboard_dead_count"))
        return 0 if row is None else int(row["letters"])

    async def dead_causes(self) -> list[Row]:
        """The most frequent causes, of :data:`MOST_DEAD` dead letters of each type at most.

        Rows: key, entity_type, cause, letters, oldest, newest, example, and the newest one's entity_id and
        example_entry.
        """
        return await self._database.rows(
            statement("dashboard_dead_causes"), {"types": [*EntityType], "most": MOST_DEAD}
        )

    async def dead_letters(self, cause: Cause, before: Place, limit: int) -> tuple[list[Row], Place | None]:
        """Of one cause, newest first; and where the next page begins.

        Rows: entity_type, entity_id, died_at, attempts, last_error, entry_id; cause, and letters: how many are alike.
        """
        rows = await self._migrated_rows(
            "dashboard_dead_letters",
            {
                "entity_type": str(cause.entity_type),
                "digest": cause.digest,
                "most": MOST_DEAD,
                "before_at": before.at,
                "before_id": before.id,
                "limit": limit + 1,
            },
        )
        if len(rows) <= limit:
            return rows, None
        last = rows[limit - 1]
        return rows[:limit], Place(last["died_at"], last["entity_id"])

    async def comparisons(self) -> list[Row]:
        """The newest runs of reconcile, newest first.

        Rows: id, deep, entity_types, started_at, started_by, finished_at, requests, under_way; agree, differ,
        not_compared of all types; complete: everything of them was looked at.
        """
        return await self._migrated_rows("dashboard_comparisons", {"limit": MOST_COMPARISONS})

    async def findings(self, run: UUID, types: Collection[str]) -> list[Row]:
        """The first :data:`MOST_OF_A_KIND` findings of each kind, of :data:`MOST_FINDINGS` of each type at most.

        Rows: id, entity_type, entity_id, zoho_id, named, finding, kind, said, mend, found_at, enqueued_at; alike: how
        many are of this kind among those.
        """
        parameters = {"run": run, "types": list(types), "most": MOST_FINDINGS, "shown": MOST_OF_A_KIND}
        return await self._migrated_rows("dashboard_comparison_findings", parameters)

    async def sums(self, run: UUID, before: date = date.max) -> tuple[list[Row], bool]:
        """Both sides' sums of the newest twelve months before ``before``, oldest first; and whether there are older.

        Rows: month, measure, category, because, records, ours, theirs.
        """
        rows = await self._migrated_rows("dashboard_comparison_sums", {"run": run, "before": before})
        return rows, bool(rows and rows[0]["older"])

    async def explained(self, entity_type: EntityType, entity_id: UUID) -> Mapping[str, Any]:
        """As ``zoho_explain`` says. Raises ``psycopg.errors.NoDataFound`` for a row that nobody knows."""
        (row,) = await self._migrated_rows(
            "dashboard_explain", {"entity_type": str(entity_type), "entity_id": entity_id}
        )
        told: Mapping[str, Any] = row["explained"]
        return told

    async def _migrated_rows(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Of a statement with functions or tables of ours that a schema older than the daemon does not have."""
        try:
            return await self._database.rows(statement(name), parameters)
        except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable) as missing:
            raise SchemaTooOld(f"{missing.diag.message_primary}: run zoho-outbox migrate") from None


class Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """The function refused; ``hint`` says what to do next."""

    def __init__(self, words: str, hint: str) -> None:
        self.words = words
        self.hint = hint
        super().__init__(words)


@dataclass(frozen=True)
class Done:
    """What came of an action."""

    rows: Sequence[Row]
    remarks: Sequence[str]
    """What the function said besides (its notices)."""


class Operating:
    """The operators' functions, in a transaction that names who acts (zoho_outbox.operator).

    All raise :class:`Refused`.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection

    async def replay(self, entity_type: EntityType, entity_id: UUID) -> Done:
        """One row again."""
        return await self._run("dashboard_replay_entity", entity_type=str(entity_type), entity_id=entity_id)

    async def replay_letters(self, entry_ids: Sequence[int]) -> Done:
        """Those of the entries that are dead still."""
        return await self._run("dashboard_replay_letters", ids=list(entry_ids))

    async def skip(self, entry_id: int, reason: str) -> Done:
        """An entry is set aside."""
        return await self._run("dashboard_skip", entry_id=entry_id, reason=reason)

    async def pause(self, reason: str) -> str:
        """Sending stops; what the function says."""
        return str((await self._run("dashboard_pause", reason=reason)).rows[0]["said"])

    async def resume(self) -> str:
        """Sending goes on; what the function says."""
        return str((await self._run("dashboard_resume")).rows[0]["said"])

    async def _run(self, name: str, **parameters: Any) -> Done:
        notices: list[str] = []

        def heard(notice: psycopg.errors.Diagnostic) -> None:
            notices.append(notice.message_primary or "")

        self._connection.add_notice_handler(heard)
        try:
            rows = await (await self._connection.execute(statement(name), parameters)).fetchall()
        except psycopg.Error as error:
            # A row that somebody works on at this moment is an answer of the function's, and no trouble of the
            # database's.
            if is_unavailability(error) and not isinstance(error, psycopg.errors.LockNotAvailable):
                raise
            words = error.diag.message_primary or type(error).__name__
            raise Refused(words, error.diag.message_hint or "") from None
        finally:
            self._connection.remove_notice_handler(heard)
        return Done(rows, notices)
