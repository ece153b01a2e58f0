"""Loops that neither stop the process nor die silently.

Each loop is a coroutine function that works for ever. When it fails, the failure is logged once, and it starts again
after a pause that doubles up to a cap; when it then lives for a while, that is logged once too. A loop reports its
progress, and the watchdog is fed only while every loop moves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import structlog

from outbox.clock import Clock
from outbox.database import DatabaseUnavailable
from outbox.logs import Event

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 3.0
"""Between starts of a failing loop: failures.md, 5: moving again within 5 s of the database's return."""

STALLED_AFTER_SECONDS = 90.0
"""A loop that has not reported for this long hangs: three times what the longest wait of any loop is."""


@dataclass
class _Loop:
    name: str
    moved_at: float
    failing: bool = False


@dataclass
class Supervisor:
    """Runs the loops of one process, and knows which of them move."""

    clock: Clock
    _loops: dict[str, _Loop] = field(default_factory=dict, init=False)
    _database_lost: bool = field(default=False, init=False)

    def progress(self, name: str) -> None:
        """The loop ``name`` moves."""
        loop = self._loops.get(name)
        if loop is not None:
            loop.moved_at = self.clock.monotonic()
            if loop.failing:
                loop.failing = False
                self._recovered(name)

    @property
    def stalled(self) -> list[str]:
        """Loops that have not moved for too long."""
        now = self.clock.monotonic()
        return [loop.name for loop in self._loops.values() if now - loop.moved_at > STALLED_AFTER_SECONDS]

    @property
    def database_lost(self) -> bool:
        """Whether some loop's last word was that the database is away."""
        return self._database_lost

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs ``work`` until cancelled, or until it returns."""
        self._loops[name] = _Loop(name, self.clock.monotonic())
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = self.clock.monotonic()
            try:
                await work()
            except DatabaseUnavailable as gone:
                self._failed(name, gone)
            except ExceptionGroup as group:
                rest = group.split(DatabaseUnavailable)[1]
                self._failed(name, DatabaseUnavailable(str(group.exceptions[0])) if rest is None else rest)
            except Exception as error:
                self._failed(name, error)
            else:
                del self._loops[name]
                return
            if self.clock.monotonic() - started > 10 * LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            # Failing and trying again is moving: a restart by the watchdog would mend nothing.
            self._loops[name].moved_at = self.clock.monotonic()

    def _failed(self, name: str, error: Exception) -> None:
        log = structlog.get_logger()
        loop = self._loops[name]
        if isinstance(error, DatabaseUnavailable):
            loop.failing = True
            if not self._database_lost:
                self._database_lost = True
                log.warning(Event.DATABASE_LOST, loop=name, reason=str(error))
            return
        if not loop.failing:
            loop.failing = True
            log.error(Event.LOOP_FAILING, loop=name, exc_info=error)

    def _recovered(self, name: str) -> None:
        log = structlog.get_logger()
        if self._database_lost and not any(loop.failing for loop in self._loops.values()):
            self._database_lost = False
            log.info(Event.DATABASE_BACK)
        elif not self._database_lost:
            log.info(Event.LOOP_RECOVERED, loop=name)
