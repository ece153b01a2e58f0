"""What the service manager is told, by sd_notify: readiness, status, watchdog, stopping.

READY=1 only when there is work that can be done: the database is reached and fit, the heartbeat and the maintenance
have written to it, and it is known whether notifications arrive (listening) or not (polling). Zoho's answer is not
waited for: where Zoho is away the daemon works, and the status says so.

The watchdog is fed only while every loop moves. While a start or a drain takes longer than the unit foresaw, and
something moves, the manager is asked for more time (EXTEND_TIMEOUT_USEC).

The protocol is ten lines of our own: `sdnotify` is from 2017, `systemd-python` needs a compiler.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, assert_never

import anyio

from daemon.supervision import Supervisor
from outbox.database import Database
from outbox.store.organisation import OrganisationNow, OrganisationStore
from outbox.store.statements import statement
from outbox.vocabulary import OrganisationState
from outbox.wording import moment

NAME = "status"

LOOK_SECONDS = 15.0
"""Between looks at the database for the status. Both statements are read by key or by the first entries of an index."""

LONGEST_PAUSE_SECONDS = 5.0
"""Between messages; a quarter of the watchdog's time where that is shorter."""

MORE_TIME_SECONDS = 90.0
"""What is asked for at a time while the start takes long: more than the longest wait between two messages of it."""

LONGEST_STATUS = 400
"""Characters: `systemctl status` shows one line."""

MOST_DUE = 1000
"""Counted no further: a backlog of a million must not cost a scan every few seconds."""


class Notifier:
    """Talks to the service manager where there is one; says nothing elsewhere."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        meant_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds: float | None = (
            int(microseconds) / 1_000_000 if microseconds.isdigit() and int(microseconds) and meant_for_us else None
        )

    @property
    def heard(self) -> bool:
        """Whether there is a manager."""
        return bool(self._address)

    def send(self, **states: str) -> bool:
        """Sends ``READY=1`` and the like; whether it was handed over.

        A manager that does not listen is not our failure. One that does not read must not stop our loops: nothing is
        waited for. A value is one line: an operator's reason could otherwise speak for us (``READY=1``).
        """
        if not self._address:
            return False
        message = "\n".join(f"{name}={' '.join(value.split())[:LONGEST_STATUS]}" for name, value in states.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.setblocking(False)
                connection.connect(self._address)
                connection.send(message.encode())
        except OSError:
            return False
        return True

    def more_time(self, seconds: float, *, status: str) -> None:
        """Asks for ``seconds`` from now until the start, or the stop, must be done."""
        self.send(EXTEND_TIMEOUT_USEC=str(round(seconds * 1_000_000)), STATUS=status)


class Dispatching(Protocol):
    """What is asked of the dispatcher."""

    draining: bool

    @property
    def holds(self) -> int:
        """Claims in hand."""
        ...


class Listening(Protocol):
    """What is asked of the listener."""

    hears: bool


@dataclass(frozen=True)
class Seen:
    """What the last look at the database found."""

    organisation: OrganisationNow
    due: int
    """Rows that could be sent now, :data:`MOST_DUE` at most."""
    used_up: str | None
    """What is used up, and until when; None: nothing is."""


class Reporter:
    """Tells the manager how this process does."""

    def __init__(
        self,
        notifier: Notifier,
        supervisor: Supervisor,
        dispatcher: Dispatching,
        listener: Listening,
        *,
        sends: bool,
        needed: frozenset[str],
        vital: frozenset[str],
    ) -> None:
        """``sends``: ENABLE_ZOHO_SYNC. ``needed``: loops that must have moved once before anything can be said to work.

        ``vital``: loops that must not be failing then. The dispatcher is vital and not needed: its first round may
        wait for Zoho. The dashboard is neither.
        """
        self._notifier = notifier
        self._supervisor = supervisor
        self._dispatcher = dispatcher
        self._listener = listener
        self._sends = sends
        self._needed = needed
        self._vital = vital
        self._ready = False
        self._seen: Seen | None = None

    async def look(self, database: Database, organisation: OrganisationStore) -> None:
        """Keeps what the status tells of the database fresh, for ever. Raises ``DatabaseUnavailable``."""
        while True:
            now = await organisation.now()
            row = await database.row(statement("due_work"), {"most": MOST_DUE})
            if row is not None:
                used_up = row["used_up"] and f"{row['used_up']} (until {moment(row['used_up_until'])})"
                self._seen = Seen(now, min(int(row["due"]), MOST_DUE), used_up)
            self._supervisor.progress(NAME)
            await anyio.sleep(LOOK_SECONDS)

    async def run(self) -> None:
        """Reports until cancelled."""
        pause = min(LONGEST_PAUSE_SECONDS, (self._notifier.watchdog_seconds or 60.0) / 4)
        while True:
            self.tell()
            with anyio.move_on_after(pause):
                if not self._ready and self._vital.isdisjoint(self._supervisor.failing):
                    await self._supervisor.begun(self._needed)
                    self.tell()
                await anyio.sleep_forever()

    def tell(self) -> None:
        """One message, of how things stand."""
        stalled = self._supervisor.look_for_stalled()
        status = self.status(stalled)
        if not self._ready:
            if self._supervisor.all_begun(self._needed) and self._vital.isdisjoint(self._supervisor.failing):
                self._ready = self._notifier.send(READY="1", WATCHDOG="1", STATUS=status)
            elif stalled or not self._vital.isdisjoint(self._supervisor.mistaken):
                # A mistake of ours gets no more time than the unit gives.
                self._notifier.send(STATUS=f"starting: {status}")
            else:
                # Waiting for the database, or just slow.
                self._notifier.more_time(MORE_TIME_SECONDS, status=f"starting: {status}")
            return
        if stalled:
            self._notifier.send(STATUS=status)
        else:
            self._notifier.send(WATCHDOG="1", STATUS=status)

    def status(self, stalled: list[str]) -> str:
        """One line for whoever types ``systemctl status``."""
        in_hand = f"{self._dispatcher.holds} in hand"
        if stalled:
            return f"stalled: {', '.join(stalled)}; {in_hand}; the watchdog will restart it"
        if self._supervisor.database_lost:
            return f"the database is lost, asked again every few seconds; {in_hand}"
        hearing = "listening" if self._listener.hears else "polling"
        if self._dispatcher.draining:
            return f"draining; {in_hand}"
        failing = self._supervisor.failing
        parts = [f"failing: {', '.join(failing)}, the journal says why"] if failing else []
        parts += [self._sending(), in_hand]
        if self._seen is not None:
            parts.append(f"{self._seen.due} due" if self._seen.due < MOST_DUE else f"{MOST_DUE} or more due")
        return "; ".join([*parts, hearing])

    def _sending(self) -> str:
        if not self._sends:
            return "sends nothing (ENABLE_ZOHO_SYNC is false)"
        if self._seen is None:
            return "started"
        now = self._seen.organisation
        match now.state:
            case OrganisationState.RUNNING:
                return "sending" if self._seen.used_up is None else self._seen.used_up
            case OrganisationState.PAUSED:
                return f"{now.why} (since {moment(now.since)}; zoho-outbox resume ends it)"
            case OrganisationState.THROTTLED:
                return f"throttled until {moment(now.until)}: {now.why}"
            case OrganisationState.BROKEN:
                return f"Zoho is unwell, asked again at {moment(now.until)}: {now.why}"
            case OrganisationState.FORBIDDEN:
                return f"Zoho refuses and a person must act: {now.why}"
            case _:
                assert_never(now.state)
