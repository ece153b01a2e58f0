"""What the API reads and starts. Every statement is bounded, however many finished entries there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg

from outbox.database import Database, Row
from outbox.store.statements import statement
from outbox.vocabulary import EntityType, Phase

WINDOW = 20_000
"""Attempts that one answer looks through at most: 20,000 of 1,000,000 take 70 to 90 ms on a busy machine (m)."""

MOST_OUTCOMES = 50_000
"""Attempts that success rates are made from, the newest of seven days; as outbox.store.health."""

EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class LogPage:
    """Attempts, newest first."""

    rows: Sequence[Row]
    """Named as the columns of zoho_sync_logs: id, created_at, entity_type, entity_id, status, attempt_number,
    duration_ms, api_calls, failure_class, zoho_code, zoho_entity_id, outbox_id, error_message."""
    total: int
    """Matching ones among those that were looked at."""
    complete: bool
    """Whether all were looked at; else ``searched_to`` is the oldest one's moment."""
    searched_to: datetime | None


@dataclass(frozen=True)
class Outcomes:
    """How attempts of a type ended; those that are made again are not counted."""

    week_successes: int = 0
    week_failures: int = 0
    day_failures: int = 0

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(
            self.week_successes + other.week_successes,
            self.week_failures + other.week_failures,
            self.day_failures + other.day_failures,
        )

    @property
    def success_rate(self) -> float | None:
        """Percent of seven days, one decimal; None: no attempt came to its end."""
        ended = self.week_successes + self.week_failures
        return round(100 * self.week_successes / ended, 1) if ended else None


@dataclass(frozen=True)
class Vitals:
    """Of all replicas together."""

    tokens_minted: int
    """Since the installation."""
    daemons: int
    """Heard of within the last minute."""


class ApiReadings:
    """Reads; raises :class:`outbox.database.DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def logs(
        self,
        *,
        entity_type: EntityType | None,
        status: str | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        offset: int,
    ) -> LogPage:
        """A page of the attempts since ``since`` and before ``until``, of the newest :data:`WINDOW` of them."""
        rows = await self._database.rows(
            statement("api_logs"),
            {
                "entity_type": entity_type,
                "status": status,
                "since": since or EARLIEST,
                "until": until or LATEST,
                "limit": limit,
                "offset": offset,
                "window": WINDOW,
            },
        )
        counts = rows[0]
        complete = counts["looked_at"] < WINDOW
        return LogPage(
            rows=[row for row in rows if row["id"] is not None],
            total=counts["total"],
            complete=complete,
            searched_to=None if complete else counts["oldest"],
        )

    async def outcomes(self) -> Mapping[EntityType, Outcomes]:
        """By type, as far as there are any."""
        rows = await self._database.rows(statement("api_outcomes"), {"most": MOST_OUTCOMES})
        known = {str(entity_type) for entity_type in EntityType}
        return {
            EntityType(row["entity_type"]): Outcomes(row["week_successes"], row["week_failures"], row["day_failures"])
            for row in rows
            if row["entity_type"] in known
        }

    async def recent_failures(self, limit: int) -> list[Row]:
        """Of the last 24 hours, newest first. Columns as :attr:`LogPage.rows`."""
        return await self._database.rows(statement("api_recent_failures"), {"most": WINDOW, "limit": limit})

    async def vitals(self) -> Vitals:
        """Raises LookupError on a database that is not migrated."""
        return Vitals(**await self._database.only_row(statement("api_vitals")))


class InFlight(Exception):  # noqa: N818 - an answer, not a mistake
    """The row is being sent at this moment."""


class NeverCaptured(Exception):  # noqa: N818
    """The outbox knows nothing of the row; the text says so, ``hint`` what to do."""

    def __init__(self, words: str, hint: str) -> None:
        self.hint = hint
        super().__init__(words)


async def replay_entity(
    connection: psycopg.AsyncConnection[Row], entity_type: EntityType, entity_id: UUID
) -> tuple[int, str]:
    """Has a row sent again, as ``zoho_outbox_replay_entity``; the newest entry of it, and its status.

    On a transaction that names who acts. Raises :class:`InFlight` and :class:`NeverCaptured`.
    """
    parameters = {"entity_type": entity_type, "entity_id": entity_id}
    state = await (await connection.execute(statement("api_phase"), parameters)).fetchone()
    # One that is claimed between this look and the next is given a fresh entry that runs after the present send.
    if state is not None and state["phase"] == Phase.LEASED:
        raise InFlight
    try:
        entry = await (await connection.execute(statement("api_replay_entity"), parameters)).fetchone()
    except psycopg.errors.NoDataFound as unknown:
        raise NeverCaptured(unknown.diag.message_primary or "", unknown.diag.message_hint or "") from None
    if entry is None:
        raise LookupError(f"zoho_outbox_replay_entity returned nothing for {entity_type} {entity_id}")
    return int(entry["id"]), str(entry["status"])
