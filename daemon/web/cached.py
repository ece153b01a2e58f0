"""What is read now and then for everybody who asks."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

from outbox.clock import Clock
from outbox.database import DatabaseUnavailable
from outbox.logs import Event

COSTLY_SHARE = 20
"""Nothing is read again before so many times what reading it took."""

LONGEST_FRESH_SECONDS = 300.0
"""However long that was."""

T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What was read, and how old it is."""

    value: T
    read_at: datetime
    age_seconds: float
    trouble: str | None
    """Why there is no newer one; None: there was no need of one yet."""


class Cached(Generic[T]):
    """The last reading, renewed when somebody asks and it is time.

    One reading at a time. Whoever asks meanwhile waits a little, and is then given the last one with its age.
    """

    def __init__(
        self, read: Callable[[], Awaitable[T]], clock: Clock, *, fresh_seconds: float, stale_seconds: float
    ) -> None:
        """A reading is not renewed within ``fresh_seconds``, and not given out after ``stale_seconds``."""
        self._read = read
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._last: tuple[T, datetime, float] | None = None
        self._next_at = -math.inf
        self._trouble: str | None = None
        self._running: asyncio.Task[None] | None = None

    async def now(self, *, patience: float, first_patience: float) -> Reading[T]:
        """The present reading. Waits ``patience`` seconds for a newer one, ``first_patience`` where there is none.

        Raises :class:`outbox.database.DatabaseUnavailable` where there is none that may be given out.
        """
        if self._clock.monotonic() >= self._next_at and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self._renew())
        if self._running is not None and not self._running.done():
            await asyncio.wait([self._running], timeout=first_patience if self._usable() is None else patience)
        found = self._usable()
        if found is None:
            raise DatabaseUnavailable(self._trouble or "it is being read for the first time; ask again")
        return found

    async def close(self) -> None:
        """Ends a reading that is under way."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    def _usable(self) -> Reading[T] | None:
        if self._last is None:
            return None
        value, read_at, moment = self._last
        age = self._clock.monotonic() - moment
        return None if age > self._stale_seconds else Reading(value, read_at, age, self._trouble)

    async def _renew(self) -> None:
        started = self._clock.monotonic()
        try:
            value = await self._read()
        except DatabaseUnavailable as gone:
            self._trouble = str(gone)
        except Exception as error:
            structlog.get_logger().error(Event.HTTP_FAILED, exc_info=error)
            self._trouble = "a mistake of ours; the daemon's log says more"
        else:
            self._trouble = None
            self._last = value, self._clock.now(UTC), self._clock.monotonic()
        took = self._clock.monotonic() - started
        pause = max(self._fresh_seconds, COSTLY_SHARE * took)
        self._next_at = self._clock.monotonic() + min(pause, LONGEST_FRESH_SECONDS)
