"""Loops that neither stop the process nor die silently.

Each loop is a coroutine function that works for ever. When it fails, the failure is logged once, and it starts again
after a pause that doubles up to a cap; when it then lives for a while, that is logged once too. A loop reports its
progress, and the watchdog is fed only while every loop moves.
"""

from collections.abc import Awaitable, Callable, Iterable
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

ASLEEP_SECONDS = 30.0
"""Where nobody looked for this long the whole process stood still (a suspended machine, SIGSTOP), and no loop hangs."""


@dataclass
class _Loop:
    name: str
    moved_at: float
    failing: bool = False
    mistaken: bool = False
    """The failure was no unavailability of the database: a mistake of ours."""


@dataclass
class Supervisor:
    """Runs the loops of one process, and knows which of them move."""

    clock: Clock
    _loops: dict[str, _Loop] = field(default_factory=dict, init=False)
    _database_lost: bool = field(default=False, init=False)
    _begun: set[str] = field(default_factory=set, init=False)
    _news: anyio.Event = field(default_factory=anyio.Event, init=False)
    _looked_at: float | None = field(default=None, init=False)
    _said_stalled: list[str] = field(default_factory=list, init=False)

    def watch(self, name: str) -> None:
        """The loop ``name`` starts; from now on it must move."""
        self._loops[name] = _Loop(name, self.clock.monotonic())

    def progress(self, name: str) -> None:
        """The loop ``name`` moves."""
        loop = self._loops.get(name)
        if loop is not None:
            loop.moved_at = self.clock.monotonic()
            if loop.failing:
                loop.failing = loop.mistaken = False
                self._recovered(name)
            if name not in self._begun:
                self._begun.add(name)
                self._news.set()
                self._news = anyio.Event()

    def all_begun(self, names: Iterable[str]) -> bool:
        """Whether each of these loops has moved once."""
        return self._begun.issuperset(names)

    async def begun(self, names: Iterable[str]) -> None:
        """Waits until each of these loops has moved once."""
        wanted = frozenset(names)
        while not self.all_begun(wanted):
            await self._news.wait()

    @property
    def stalled(self) -> list[str]:
        """Loops that have not moved for too long."""
        now = self.clock.monotonic()
        return [loop.name for loop in self._loops.values() if now - loop.moved_at > STALLED_AFTER_SECONDS]

    @property
    def idle_seconds(self) -> dict[str, float]:
        """Seconds since each loop last moved."""
        now = self.clock.monotonic()
        return {loop.name: now - loop.moved_at for loop in self._loops.values()}

    def look_for_stalled(self) -> list[str]:
        """As :attr:`stalled`, by whoever looks regularly: logged once, and a sleep of the whole process is no stall."""
        now = self.clock.monotonic()
        looked_at, self._looked_at = self._looked_at, now
        if looked_at is not None and now - looked_at > ASLEEP_SECONDS:
            for loop in self._loops.values():
                loop.moved_at = now
        stalled = self.stalled
        if stalled and stalled != self._said_stalled:
            structlog.get_logger().error(Event.LOOP_STALLED, loops=stalled, after_seconds=STALLED_AFTER_SECONDS)
        self._said_stalled = stalled
        return stalled

    @property
    def failing(self) -> list[str]:
        """Loops whose last word was a failure."""
        return [loop.name for loop in self._loops.values() if loop.failing]

    @property
    def mistaken(self) -> list[str]:
        """Those of them that fail by a mistake of ours."""
        return [loop.name for loop in self._loops.values() if loop.mistaken]

    @property
    def database_lost(self) -> bool:
        """Whether some loop's last word was that the database is away."""
        return self._database_lost

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs ``work`` until cancelled, or until it returns."""
        self.watch(name)
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
        loop.mistaken = True
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
