"""Ctrl-C and its relatives, heeded where it is safe to stop.

A signal that raised an exception wherever the program happens to be could strike between the start of a child and
the moment its handle is kept. So the first one is only noted; every wait of the demo ends at once, and each step of
start-up is short. A second one interrupts what takes too long.
"""

import contextlib
import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):  # noqa: N818 - a wish
    """Somebody asked to stop."""


class StopRequest:
    """Whether somebody asked to stop. Holds the process's handlers for as long as the ``with`` block lasts."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}
        # Not threading.Event: set() in a handler may wait for a lock that the interrupted code holds.
        self._hears, self._says = socket.socketpair()
        self._says.setblocking(False)

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._hears.close()
        self._says.close()

    def ask(self) -> None:
        """Stop, as a first Ctrl-C does."""
        self.asked = True
        with contextlib.suppress(BlockingIOError):
            self._says.send(b"!")

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises :class:`Stopped`, at once, where somebody asked to stop."""
        self.check()
        select.select([self._hears], [], [], seconds)
        self.check()

    def check(self) -> None:
        """Raises :class:`Stopped` where somebody asked to stop."""
        if self.asked:
            raise Stopped

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        again = self.asked
        self.ask()
        if again:
            raise KeyboardInterrupt
