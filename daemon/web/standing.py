"""Counts over whole tables, read now and then for everybody: pages, API and metrics ask here.

With a million rows a count takes a second. So one reading serves all who ask within the next seconds, the next is not
begun before twenty times what the last one took, only one runs at a time, on a connection of its own, and who asks in
the meantime is given the last one with its age. Rejected: counters kept by triggers (each of the host's writes would
pay), and estimates of the planner (a finance person compares figures).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.web.cached import Cached
from outbox.clock import Clock
from outbox.commands.status import Status, StatusReader, StatusSettings
from outbox.database import Database, Row
from outbox.settings import Settings
from outbox.store.api import ApiReadings, Outcomes
from outbox.store.readings import Readings
from outbox.vocabulary import EntityType

COUNTING_SECONDS = 20.0
"""Bound of one count."""

FRESH_SECONDS = 4.0
"""A reading is given out for so long, at least, before the next is begun."""

STALE_SECONDS = 900.0
"""A reading that is older is not given out any more: the figures would mislead."""

PATIENCE_SECONDS = 0.1
"""For a new reading, where there is an older one to give."""

FIRST_PATIENCE_SECONDS = 10.0
"""Where there is none: within the time of a request (:data:`daemon.web.guard.REQUEST_SECONDS`)."""

MOST_FAILURES = 20
"""Recent ones that are named."""


@dataclass(frozen=True)
class StandingNow:
    """A reading, and how old it is."""

    status: Status
    entries: Sequence[Row]
    """Unfinished ones: entity_type, status, entries, oldest, oldest_seconds."""
    outcomes: Mapping[EntityType, Outcomes]
    recent_failures: Sequence[Row]
    """Attempts; columns as :attr:`outbox.store.api.LogPage.rows`."""
    read_at: datetime
    age_seconds: float
    trouble: str | None
    """Why there is no newer one; None: there was no need of one yet."""


@dataclass(frozen=True)
class _Read:
    status: Status
    entries: Sequence[Row]
    outcomes: Mapping[EntityType, Outcomes]
    recent_failures: Sequence[Row]


class Standing:
    """The last reading, renewed when somebody asks."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        given = {name: getattr(settings, name) for name in StatusSettings.model_fields}
        self._database = database
        self._settings = StatusSettings.model_validate(given)
        self._readings = Readings(database)
        self._api = ApiReadings(database)
        self._cached = Cached(self._read, clock, fresh_seconds=FRESH_SECONDS, stale_seconds=STALE_SECONDS)

    async def now(
        self, *, patience: float = PATIENCE_SECONDS, first_patience: float = FIRST_PATIENCE_SECONDS
    ) -> StandingNow:
        """The present reading, renewed where it is time.

        Raises :class:`outbox.database.DatabaseUnavailable` where there is none, or none that is not too old.
        """
        reading = await self._cached.now(patience=patience, first_patience=first_patience)
        read = reading.value
        return StandingNow(
            status=read.status,
            entries=read.entries,
            outcomes=read.outcomes,
            recent_failures=read.recent_failures,
            read_at=reading.read_at,
            age_seconds=reading.age_seconds,
            trouble=reading.trouble,
        )

    async def close(self) -> None:
        """Ends a reading that is under way."""
        await self._cached.close()

    async def _read(self) -> _Read:
        return _Read(
            # A new reader each time: one that is kept gives its own last counts, and not their age.
            status=await StatusReader(self._database, self._settings).read(),
            entries=await self._readings.backlog(),
            outcomes=await self._api.outcomes(),
            recent_failures=await self._api.recent_failures(MOST_FAILURES),
        )
