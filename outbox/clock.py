"""Time, injected: a monotonic reading for leases and budgets, a wall reading for dates."""

import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol


class Clock(Protocol):
    """What the library asks of time."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment. Never goes back, and goes on while the machine is suspended."""
        ...

    def now(self, zone: tzinfo) -> datetime:
        """The wall clock as an aware datetime in ``zone``. For dates that people read, never for leases."""
        ...


class SystemClock:
    """The machine's clocks.

    CLOCK_BOOTTIME where there is one: CLOCK_MONOTONIC stands still while a machine is suspended, and a lease,
    whose end the database decides, does not. A laptop or a paused virtual machine that wakes must find its
    lease spent.
    """

    def __init__(self) -> None:
        self._clock_id: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def monotonic(self) -> float:
        """Seconds since boot, suspension included where the platform can tell."""
        return time.clock_gettime(self._clock_id)

    def now(self, zone: tzinfo) -> datetime:
        """The wall clock in ``zone``."""
        return datetime.now(zone)


class ManualClock:
    """A clock that moves when it is told to. Both readings move together; ``jump_wall`` moves one alone."""

    def __init__(self, start: datetime | None = None) -> None:
        self._wall = start if start is not None else datetime(2026, 1, 15, 12, tzinfo=UTC)
        if self._wall.tzinfo is None:
            raise ValueError("ManualClock needs an aware datetime to start from")
        self._monotonic = 1000.0

    def monotonic(self) -> float:
        """Seconds, moved by :meth:`advance` alone."""
        return self._monotonic

    def now(self, zone: tzinfo) -> datetime:
        """The manual wall clock in ``zone``."""
        return self._wall.astimezone(zone)

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass. ``ValueError`` for a negative number."""
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back; use jump_wall")
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)

    def jump_wall(self, seconds: float) -> None:
        """Sets the wall clock forward or back, as NTP or an administrator does."""
        self._wall += timedelta(seconds=seconds)
