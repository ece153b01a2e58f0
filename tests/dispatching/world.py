"""Everything that the dispatcher asks of others, in memory."""

import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import anyio.lowlevel

from daemon.dispatcher import Dispatcher, Workers
from outbox.assembly import Engine
from outbox.clock import SystemClock
from outbox.database import DatabaseUnavailable
from outbox.sending.attempt import Ended
from outbox.store.protocol import Settlement
from outbox.store.verdicts import Claim, Lease, Verdict, released
from outbox.vocabulary import EntityType, OrganisationState, Urgency
from tests.claims import fresh_claim

QUICK, HELD = "quick", "held"
"""An attempt that ends at once, and one that lasts until :meth:`World.let_go`."""

ROUND_TRIP_SECONDS = 0.001


def claim_of(urgency: Urgency, kind: str) -> Claim:
    """An entity that is due; ``kind`` is told by its last error."""
    return fresh_claim(urgency=urgency, last_error=kind, lease=Lease(uuid4(), math.inf))


class World:
    """A dispatcher with what it needs; what is due stands in ``live`` and ``backfill``."""

    def __init__(self, concurrency: int = 5) -> None:
        self.live: deque[Claim] = deque()
        self.backfill: deque[Claim] = deque()
        self.started: list[UUID] = []
        self.ended = 0
        self.running = 0
        self.bell = False
        self.asked: Counter[str] = Counter()
        """Statements, by name."""
        self.settlement_fails = False
        self._released = anyio.Event()
        entity = SimpleNamespace(read=self._read)
        engine = SimpleNamespace(
            settings=SimpleNamespace(zoho_max_concurrency=concurrency, enable_zoho_sync=True, outbox_poll_seconds=30.0),
            clock=SystemClock(),
            store=self,
            organisation=SimpleNamespace(now=self._now, answered=self._answered),
            sender=SimpleNamespace(attempt=self._attempt),
            sessions=SimpleNamespace(want_bell=self._want_bell),
            database=SimpleNamespace(connection=self._connection),
            entities={EntityType.CUSTOMER: entity},
            budget=SimpleNamespace(stop=lambda: None),
        )
        supervisor = SimpleNamespace(progress=lambda _: None)
        self.dispatcher = Dispatcher(cast(Engine, engine), cast(Any, supervisor))
        vars(vars(self.dispatcher)["_gate"])["_verified"] = True

    def let_go(self) -> None:
        """The attempts that are held end."""
        self._released.set()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """For the block."""
        workers = Workers()
        async with anyio.create_task_group() as loops:
            await loops.start(workers.host)
            loops.start_soon(self._settling)
            loops.start_soon(self.dispatcher.run, workers)
            yield
            loops.cancel_scope.cancel()

    async def at_rest(self) -> None:
        """No statement is asked for between two looks."""

        def asked() -> int:
            return sum(self.asked.values())

        before = -1
        while before != asked():
            before = asked()
            await anyio.sleep(50 * ROUND_TRIP_SECONDS)

    async def _settling(self) -> None:
        while True:
            try:
                await self.dispatcher.settle()
            except DatabaseUnavailable:
                await anyio.sleep(20 * ROUND_TRIP_SECONDS)

    async def _round_trip(self, name: str) -> None:
        self.asked[name] += 1
        await anyio.sleep(ROUND_TRIP_SECONDS)

    # The store.

    async def admit(self, _: int) -> int:
        await self._round_trip("admit")
        return 0

    async def promote(self, _: int) -> int:
        await self._round_trip("promote")
        return 0

    async def claim(self, batch: int, least_urgent: int) -> list[Claim]:
        await self._round_trip("claim")
        taken = [self.live.popleft() for _ in range(min(batch, len(self.live)))]
        if least_urgent > Urgency.LIVE:
            taken += [self.backfill.popleft() for _ in range(min(batch - len(taken), len(self.backfill)))]
        return taken

    async def settle(self, verdicts: Sequence[Verdict]) -> Settlement:
        await self._round_trip("settle")
        if self.settlement_fails:
            raise DatabaseUnavailable("somebody locks a table of the host's")
        return Settlement(tuple(verdicts), (), 0, None)

    async def seconds_to_next_due(self) -> float | None:
        await self._round_trip("next due")
        return None

    # The others.

    async def _read(self, _: Any, ids: Sequence[UUID]) -> dict[UUID, object]:
        await self._round_trip("read")
        return dict.fromkeys(ids, object())

    async def _now(self) -> Any:
        await self._round_trip("organisation")
        return SimpleNamespace(is_told=True, may_try=True, state=OrganisationState.RUNNING)

    async def _answered(self, _: float) -> None:
        return

    async def _want_bell(self, wanted: bool) -> None:
        await self._round_trip("bell")
        self.bell = wanted

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[None]:
        yield

    async def _attempt(self, _: Any, claim: Claim, __: Any, ___: Callable[[Ended], None]) -> Ended:
        self.started.append(claim.entity_id)
        self.running += 1
        try:
            if claim.last_error == HELD:
                await self._released.wait()
            else:
                await anyio.lowlevel.checkpoint()
        finally:
            self.running -= 1
        self.ended += 1
        return Ended(released(claim), "a customer")
