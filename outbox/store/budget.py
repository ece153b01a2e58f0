"""Permission to send: the minute's token bucket, the day's quota with its reserve, the places in flight.

One budget for all replicas and commands, in ``take_permit.sql``. Within this process the askers stand in line by
urgency, and the first asks the database for itself and for those behind it who are as urgent, in one transaction
(``lock_budget.sql``, ``take_permit.sql``). Each for itself cost four round trips a request, one after the other at the
lock of the budget's row. Where it is refused it leaves word of its urgency there, and the less urgent of other
processes step back. So a live change that arrives while backfills wait for the next token, here or elsewhere, gets
that token: measured with three replicas at 95 a minute, it is in Zoho within 0.9 s (p95).
"""

import asyncio
import itertools
from bisect import insort
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID, uuid4

import anyio

from outbox.database import Database, DatabaseUnavailable, Row
from outbox.database.batching import Batched
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


class _Asker:
    """One who stands in line."""

    def __init__(self, urgency: Urgency, number: int) -> None:
        self.urgency = urgency
        self.place = int(urgency), number
        self.permit = uuid4()
        self.granted = False
        self.left = False
        self.failed: Exception | None = None
        self._called = asyncio.get_running_loop().create_future()

    def call(self) -> None:
        """There may be something to do: it was granted or refused, it is the first, or this process stops."""
        if not self._called.done():
            self._called.set_result(None)

    def renew(self) -> None:
        """From here on a call counts anew."""
        if self._called.done():
            self._called = asyncio.get_running_loop().create_future()

    async def called(self, seconds: float | None) -> None:
        """Waits for a call; ``seconds`` at most, where they are given."""
        if seconds is None:
            await self._called
        else:
            with anyio.move_on_after(seconds):
                await self._called


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
        self._most_at_once = settings.zoho_max_concurrency
        self._line: list[_Asker] = []
        self._numbers = itertools.count()
        self._asking = False
        self._ended = Batched(self._free)
        self._probes: set[UUID] = set()
        """Permits that are the single probe of an outage or a refusal."""
        self._slots_open = False
        self._stopping = False

    def stop(self) -> None:
        """This process is stopping: whoever waits for permission is sent away, nobody gets it any more."""
        self._stopping = True
        for asker in self._line:
            asker.call()

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
            await self._give_back(permit_id, urgency, permit.requests, asked=asked)

    async def _give_back(self, permit_id: UUID, urgency: Urgency, requests: int, *, asked: bool) -> None:
        is_probe = permit_id in self._probes
        self._probes.discard(permit_id)
        with anyio.CancelScope(shield=True), suppress(DatabaseUnavailable):
            # Where the database is away the place comes free by itself.
            if requests == 1:
                await self._ended.ask(permit_id)
            else:
                await self._database.execute(
                    statement("return_permit", "one request"),
                    self._parameters | {"permit": permit_id, "urgency": int(urgency), "more": requests - 1},
                )
            if is_probe and not asked:
                # Kept, it would be 15 minutes to the next one: credentials that were just mended would wait for that.
                await self._database.execute(statement("return_probe"))
        self._call_first()

    async def _free(self, permits: Sequence[UUID]) -> Sequence[None]:
        await self._database.execute(statement("return_permit"), {"permits": list(permits)}, prepare=True)
        return [None] * len(permits)

    async def _wait_for_permit(self, urgency: Urgency) -> UUID:
        asker = _Asker(urgency, next(self._numbers))
        insort(self._line, asker, key=lambda each: each.place)
        try:
            while not asker.granted:
                if asker.failed is not None:
                    raise asker.failed
                if self._stopping:
                    raise SendingStopped(OrganisationState.PAUSED, "this process is stopping", None)
                seconds: float | None = None
                asker.renew()
                if self._line[0] is asker and not self._asking:
                    seconds = await self._ask()
                await asker.called(seconds)
        except BaseException:
            if asker.granted:
                await self._give_back(asker.permit, urgency, 0, asked=False)
            raise
        finally:
            asker.left = True
            self._line.remove(asker)
            self._call_first()
        return asker.permit

    def _call_first(self) -> None:
        if self._line and not self._asking:
            self._line[0].call()

    async def _ask(self) -> float:
        """Asks for the first in line and those who are as urgent; the seconds after which it is worth asking again."""
        self._asking = True
        askers: list[_Asker] = []
        try:
            # Those who come in the same moment ask with it.
            await asyncio.sleep(0)
            if not self._slots_open:
                await self._database.execute(statement("open_slots"), self._parameters)
                self._slots_open = True
            urgency = self._line[0].urgency
            askers = [asker for asker in self._line if asker.urgency is urgency][: self._most_at_once]
            answer = await self._taken(urgency, [asker.permit for asker in askers])
        except Exception as error:
            for asker in askers:
                asker.failed = error
            raise
        except BaseException:
            # Cancelled: nobody knows what came of it. The others ask again, for other permits; a place that was given
            # all the same comes free by itself.
            for asker in askers:
                asker.permit = uuid4()
            raise
        else:
            await self._tell(askers, answer)
            return _seconds_to_wait(answer)
        finally:
            self._asking = False
            for asker in askers:
                if asker.granted or asker.failed is not None:
                    asker.call()
            self._call_first()

    async def _taken(self, urgency: Urgency, permits: Sequence[UUID]) -> Row:
        parameters = self._parameters | {
            "urgency": int(urgency),
            "may_use_reserve": urgency.may_use_reserve,
            "permits": list(permits),
        }
        async with self._database.transaction() as connection:
            # Two statements: what the second sees of the organisation is younger than the wait for the lock. In one, a
            # request passed after a committed pause, and an outage had as many probes as there were askers.
            await connection.execute(statement("lock_budget"), prepare=True)
            taken = await connection.execute(statement("take_permit"), parameters, prepare=True)
            answer = await taken.fetchone()
        if answer is None:
            raise DatabaseUnavailable("zoho_outbox_private.organisation is empty; run zoho-outbox migrate")
        return answer

    async def _tell(self, askers: Sequence[_Asker], answer: Row) -> None:
        """Tells the askers what they were given."""
        granted = askers[: answer["granted"]]
        if answer["probed"]:
            self._probes.update(asker.permit for asker in granted)
        for asker in granted:
            if not asker.left:
                asker.granted = True
        for asker in granted:
            if asker.left:
                await self._give_back(asker.permit, asker.urgency, 0, asked=False)
        if not granted and answer["stopped"] is not None:
            for asker in askers:
                asker.failed = _stopped(answer["stopped"], answer["stopped_why"], answer["stopped_until"])


def _seconds_to_wait(answer: Row) -> float:
    """After which it is worth asking again."""
    if answer["granted"]:
        return 0.0
    seconds = float(answer["seconds_to_token"])
    return max(seconds, 0.005) if seconds > 0 else SLOT_POLL_SECONDS


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
