"""The time the simulator lives in."""

import time
from datetime import date, datetime
from zoneinfo import ZoneInfo


class SimulatorClock:
    """Epoch seconds that run with the machine's monotonic clock, and can be advanced.

    Every window, expiry, lag and time stamp of the simulator reads this clock; only real waiting (latency,
    slow replies) uses the machine's. A test that needs the next day advances it instead of waiting.
    """

    def __init__(self, *, start: float | None = None, running: bool = True) -> None:
        """`start` is epoch seconds (default: the machine's time); with `running` False it moves only by
        `advance`."""
        self._start = time.time() if start is None else start
        self._origin = time.monotonic()
        self._advanced = 0.0
        self._running = running

    def now(self) -> float:
        """Seconds since the epoch."""
        elapsed = time.monotonic() - self._origin if self._running else 0.0
        return self._start + elapsed + self._advanced

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`. Raises ValueError when negative: windows assume time does not go
        back."""
        if seconds < 0:
            raise ValueError(f"the simulator's clock cannot go back ({seconds} s)")
        self._advanced += seconds


def zoho_time(moment: float, zone: ZoneInfo) -> str:
    """Epoch seconds as Zoho writes them: ``2016-06-05T02:30:08-0700``, in the organisation's zone (sheet
    1.7)."""
    return datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def zoho_date(moment: float, zone: ZoneInfo) -> date:
    """The organisation's calendar day of a moment."""
    return datetime.fromtimestamp(moment, zone).date()
