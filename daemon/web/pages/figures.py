"""Figures that cost more than a page may take: the last ones are shown with their age while new ones are read.

A page waits :data:`PATIENCE_SECONDS` for them, and is then given the last that there are.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from daemon.web.cached import Cached
from daemon.web.context import Context
from daemon.web.pages.charts import Chart, chart, next_hour
from daemon.web.standing import StandingNow
from outbox.database import DatabaseUnavailable
from outbox.store.dashboard import Dashboard
from outbox.vocabulary import EntityType

PATIENCE_SECONDS = 0.08
"""With the page's own statements: well under the 200 ms in which it is to be there."""

FRESH_SECONDS, STALE_SECONDS = 4.0, 900.0
"""As :mod:`daemon.web.standing`."""

T = TypeVar("T")


@dataclass(frozen=True)
class TypeDay:
    """One type's last 24 hours."""

    succeeded: int = 0
    milliseconds: int = 0

    @property
    def mean_milliseconds(self) -> int | None:
        """Of what succeeded."""
        return self.milliseconds // self.succeeded if self.succeeded else None


@dataclass(frozen=True)
class Day:
    """The last 24 hours."""

    by_type: Mapping[EntityType, TypeDay]
    attempts: Chart
    requests: Chart


@dataclass(frozen=True)
class Figures:
    """What the overview shows beside its own statements. None: being read for the first time."""

    standing: StandingNow | None
    day: Day | None


class AllFigures:
    """Of one web application."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._dashboard = Dashboard(context.database)
        self._day: Cached[Day] = Cached(
            self._read_day, context.clock, fresh_seconds=FRESH_SECONDS, stale_seconds=STALE_SECONDS
        )

    async def now(self) -> Figures:
        """Both, read at the same time where they are to be read."""
        standing, day = await asyncio.gather(
            _if_known(self._context.standing.now(patience=PATIENCE_SECONDS, first_patience=PATIENCE_SECONDS)),
            _if_known(self._day.now(patience=PATIENCE_SECONDS, first_patience=PATIENCE_SECONDS)),
        )
        return Figures(standing, day.value if day else None)

    async def _read_day(self) -> Day:
        context = self._context
        end = next_hour(context.clock.now(UTC), context.settings.zone)
        by_type: dict[EntityType, TypeDay] = {entity_type: TypeDay() for entity_type in EntityType}
        attempts: dict[datetime, dict[str, int]] = {}
        requests: dict[datetime, dict[str, int]] = {}
        for row in await self._dashboard.hours(end):
            entity_type = EntityType(row["entity_type"])
            so_far = by_type[entity_type]
            by_type[entity_type] = TypeDay(
                so_far.succeeded + row["succeeded"], so_far.milliseconds + row["milliseconds"]
            )
            hour = attempts.setdefault(row["begins"], {})
            for kind in ("succeeded", "retried", "failed"):
                hour[kind] = hour.get(kind, 0) + row[kind]
            asked = requests.setdefault(row["begins"], {})
            asked["requests"] = asked.get("requests", 0) + row["requests"]
        return Day(
            by_type,
            attempts=chart(end, attempts, {"succeeded": "synced", "retried": "to be retried", "failed": "failed"}),
            requests=chart(end, requests, {"requests": "requests"}),
        )


async def _if_known(reading: Awaitable[T]) -> T | None:
    """A database that is away is told by the page's own statements, to whoever asks."""
    try:
        return await reading
    except DatabaseUnavailable:
        return None
