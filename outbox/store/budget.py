"""Permission to send: the minute's token bucket, the day's quota with its reserve, the places in flight.

One budget for all replicas and commands, in ``take_permit.sql``. Within this process the askers stand in line by
urgency, and only the first asks the database. Where it is refused it leaves word of its urgency there, and the less
urgent of other processes step back. So a live change that arrives while backfills wait for the next token, here or
elsewhere, gets that token: measured with three replicas at 95 a minute, it is in Zoho within 0.9 s (p95).
"""

import itertools
from bisect import insort
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID, uuid4

import anyio

from outbox.database import Database, DatabaseUnavailable
from outbox.settings import Settings
from outbox.store.statements import statement
from outbox.vocabulary import OrganisationState, Urgency
from outbox.zoho.failures import CallFailed
from outbox.zoho.ports import Permit, SendingStopped

BURST = 5
"""Tokens that the minute's bucket holds."""

HOLD_MARGIN_SECONDS = 15.0
"""How much longer than a request may take a place is kept for it, if nobody gives it back."""

SLOT_POLL_SECONDS = 0.1
"""How often the first in line looks for a place that another process gives back."""


class SharedBudget:
    """Implements :class:`outbox.zoho.ports.Budget` on the database."""

    def __init__(self, database: Database, settings: Settings, session: UUID) -> None:
        self._database = database
        self._session = session
        rate = settings.zoho_requests_per_minute
        self._parameters = {
            "day_limit": settings.zoho_daily_request_limit,
            "reserve_percent": settings.zoho_live_reserve_percent,
            "max_concurrency": settings.zoho_max_concurrency,
            "time_zone": settings.zoho_time_zone,
            "seconds_apart": 60.0 / rate if rate else 0.0,
            "burst": BURST,
            "hold_seconds": settings.zoho_request_timeout_seconds + HOLD_MARGIN_SECONDS,
            "session": session,
        }
        self._line: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._moved = anyio.Event()
        self._probes: set[UUID] = set()
        """Permits that are the single probe of an outage or a refusal."""
        self._slots_open = False
        self._stopping = False

    def stop(self) -> None:
        """This process is stopping: whoever waits for permission is sent away, nobody gets it any more."""
        self._stopping = True
        self._wake_line()

    def permit(self, urgency: Urgency) -> AbstractAsyncContextManager[Permit]:
        """See :meth:`outbox.zoho.ports.Budget.permit`."""
        return self._permit(urgency)

    @asynccontextmanager
    async def _permit(self, urgency: Urgency) -> AsyncIterator[Permit]:
        permit_id = await self._wait_for_permit(urgency)
        permit = Permit()
        # A token host that was asked and could not answer has been probed, too.
        asked = True
        try:
            yield permit
        except CallFailed:
            raise
        except BaseException:
            asked = permit.requests > 0
            raise
        finally:
            with anyio.CancelScope(shield=True), suppress(DatabaseUnavailable):
                # Where the database is away the place comes free by itself.
                await self._give_back(permit_id, urgency, permit.requests, asked=asked)
            self._wake_line()

    async def _give_back(self, permit_id: UUID, urgency: Urgency, requests: int, *, asked: bool) -> None:
        is_probe = permit_id in self._probes
        self._probes.discard(permit_id)
        await self._database.execute(
            statement("return_permit", *(() if requests == 1 else ("one request",))),
            self._parameters | {"permit": permit_id, "urgency": int(urgency), "more": requests - 1},
        )
        if is_probe and not asked:
            # Kept, it would be 15 minutes to the next one: credentials that were just mended would wait for that.
            await self._database.execute(statement("return_probe"))

    async def _wait_for_permit(self, urgency: Urgency) -> UUID:
        ticket = (int(urgency), next(self._numbers))
        insort(self._line, ticket)
        self._wake_line()
        try:
            while True:
                while self._line[0] != ticket and not self._stopping:
                    await self._moved.wait()
                if self._stopping:
                    raise SendingStopped(OrganisationState.PAUSED, "this process is stopping", None)
                moved = self._moved
                permit = uuid4()
                seconds = await self._ask(urgency, permit)
                if seconds is None:
                    return permit
                with anyio.move_on_after(seconds):
                    await moved.wait()
        finally:
            self._line.remove(ticket)
            self._wake_line()

    async def _ask(self, urgency: Urgency, permit: UUID) -> float | None:
        """None: granted. Else the seconds after which it is worth asking again."""
        if not self._slots_open:
            await self._database.execute(statement("open_slots"), self._parameters)
            self._slots_open = True
        parameters = self._parameters | {
            "urgency": int(urgency),
            "may_use_reserve": urgency.may_use_reserve,
            "permit": permit,
        }
        async with self._database.transaction() as connection:
            # Two statements: what the second sees of the organisation is younger than the wait for the lock. In one, a
            # request passed after a committed pause, and an outage had as many probes as there were askers.
            await connection.execute(statement("lock_budget"))
            answer = await (await connection.execute(statement("take_permit"), parameters)).fetchone()
        if answer is None:
            raise DatabaseUnavailable("zoho_outbox_private.organisation is empty; run zoho-outbox migrate")
        if answer["granted"]:
            if answer["probed"]:
                self._probes.add(permit)
            return None
        if answer["stopped"] is not None:
            raise _stopped(answer["stopped"], answer["stopped_why"], answer["stopped_until"])
        return max(float(answer["seconds_to_token"]), 0.005) if answer["seconds_to_token"] > 0 else SLOT_POLL_SECONDS

    def _wake_line(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


def _stopped(reason: str, why: str | None, until: datetime | None) -> SendingStopped:
    match reason:
        case "day":
            return SendingStopped(OrganisationState.THROTTLED, "the day's quota is used up", until, is_told=False)
        case "reserve":
            return SendingStopped(
                OrganisationState.THROTTLED,
                "the rest of the day's quota is kept for live changes",
                until,
                is_told=False,
            )
        case _:
            return SendingStopped(OrganisationState(reason), why or reason, until)
