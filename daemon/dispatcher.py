"""Claims what is due, makes the attempts, settles their verdicts.

One loop claims, a bounded number of workers attempt, one loop settles in batches. What is in memory is bounded, however
long the backlog is. A verdict in hand is kept through a database outage and settled after.

Batches: a statement costs the same milliseconds of planning for one entity as for a hundred, so both ends take many
at a time where there is much to do. How many may be in hand: :mod:`daemon.places`.

A row may kill the process (failures.md, 15), and each row in hand loses an attempt with it. So what was taken over from
a dead process is sent alone: when everything else is settled, one such row at a time, nothing claimed beside it. Its
neighbours lose one attempt to it, not all of them.
"""

import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import anyio
import psycopg
import structlog
from anyio.abc import TaskGroup, TaskStatus

from daemon.gate import Gate, doubled
from daemon.meter import Meter
from daemon.places import Places
from daemon.supervision import Supervisor
from daemon.telling import tell
from outbox.assembly import Engine
from outbox.database import DatabaseUnavailable
from outbox.entities.host_columns import ColumnNotGranted
from outbox.logs import Event
from outbox.sending.attempt import Ended
from outbox.store.protocol import ForeignDatabase
from outbox.store.verdicts import Claim, Verdict, released
from outbox.vocabulary import EntityType, Urgency

NAME = "dispatcher"
SETTLING = "settlement"

ADMISSION_BATCH = 500
PROMOTION_BATCH = 250
ADMISSION_SHARE = 1 / 3
"""Of the loop's time, while there is more to admit and enough to claim. With both before each claim, a live change that
rings would stand behind a batch of both every time (1,000 and 1,000 of a million: half a second)."""

SETTLEMENT_BATCH = 200
SETTLEMENT_LINGER_SECONDS = 0.05
"""For more verdicts to come, while attempts are under way. One by one they cost the server 5 of 8 ms an entity."""

MOST_UNSETTLED = SETTLEMENT_BATCH
"""Beyond that nothing is claimed: settlement does not keep up, or the database is away. What is in hand when the
process is killed must be looked up, and is sent alone: so no more than that, beside the places and what is ahead."""

GIVE_WAY_SECONDS = 0.005
"""After a claim that left nothing due: what was claimed asks for its permission before the loop goes on."""

BUSY_REST_SECONDS = 0.01
"""Before the bell is asked for while attempts are under way: one of them is likely to end first."""

SUSPECT_PAUSE_SECONDS = 5.0
"""Before a row is read again that our own code could not read."""

NOT_GRANTED_PAUSE_SECONDS = 60.0
"""Before rows are read again that have a column which ``migrate`` has not granted yet."""

LONGEST_REST_SECONDS = 30.0
"""The longest wait of the loop, whatever OUTBOX_POLL_SECONDS says: the watchdog wants to see it move."""


@dataclass(frozen=True)
class _Undecodable:
    """In place of a row that the database gives and Python cannot hold."""

    error: psycopg.DataError


class Workers:
    """The tasks that make attempts. They outlive a failure of the loop that started them."""

    def __init__(self) -> None:
        self._group: TaskGroup | None = None

    async def host(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Holds the tasks until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            task_status.started()
            await anyio.sleep_forever()

    def start_soon(self, work: Callable[[Claim, Any], Coroutine[Any, Any, None]], claim: Claim, row: Any) -> None:
        """Starts an attempt."""
        if self._group is None:
            raise RuntimeError("workers are not hosted yet")
        self._group.start_soon(work, claim, row)

    def cancel(self) -> None:
        """Ends the attempts; each says before what is to be settled."""
        if self._group is not None:
            self._group.cancel_scope.cancel()


class Dispatcher:
    """The heart of the daemon."""

    def __init__(self, engine: Engine, supervisor: Supervisor, meter: Meter | None = None) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self.meter = Meter() if meter is None else meter
        self._wake = anyio.Event()
        self._verdicts: deque[Ended] = deque()
        self._verdict_ready = anyio.Event()
        self._batch_settled = anyio.Event()
        self._held: dict[UUID, Claim] = {}
        self._places = Places(engine.settings.zoho_max_concurrency, engine.clock)
        self._bell_wanted = False
        self._ungranted_said = ""
        self._gate = Gate(engine)
        self._more_to_admit = False
        self._admits_from = -math.inf
        """On the monotonic clock, while there is more to admit."""
        self._dry = False
        """The last claim found less than there was room for."""
        self._suspect_in_hand = False
        """One that is sent alone: nothing is claimed beside it."""
        self._log = structlog.get_logger()
        self.draining = False
        self.foreign: str | None = None
        """Why this database must not send, where a claim found out."""

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def drain(self) -> None:
        """Claims nothing more; what is held is finished or given back."""
        self.draining = True
        self._engine.budget.stop()
        self.wake()

    @property
    def held(self) -> Iterable[Claim]:
        """Claims that are not settled yet."""
        return list(self._held.values())

    @property
    def holds(self) -> int:
        """How many."""
        return len(self._held)

    async def settled(self) -> None:
        """Waits until something that was held is held no more."""
        await self._batch_settled.wait()

    async def all_settled(self) -> None:
        """Waits until nothing is held."""
        while self.holds:
            await self.settled()

    async def run(self, workers: Workers) -> None:
        """Claims until told to drain. Attempts run in ``workers``."""
        idle_polls = 0
        self._gate.shut()
        while not self.draining:
            self._wake = anyio.Event()
            busy = await self._cycle(workers)
            self._supervisor.progress(NAME)
            idle_polls = 0 if busy else await self._rest(idle_polls)

    async def _want_bell(self, wanted: bool) -> None:
        await self._engine.sessions.want_bell(wanted)
        self._bell_wanted = wanted

    async def _cycle(self, workers: Workers) -> bool:
        """Whether there may be more to do at once.

        What came in goes first: where the organisation was running when it was asked last, it is asked again after the
        claim, together with what else is no hurry. (Before it, that was a third of the time from commit to request.)
        If it runs no more, the attempts get no permission, and are given back untouched.
        """
        engine = self._engine
        if not engine.settings.enable_zoho_sync or self._suspect_in_hand:
            self._gate.shut()
            return False
        if not self._gate.is_open and not await self._gate.ask():
            return False
        began = engine.clock.monotonic()
        takes_in = not self._more_to_admit or self._dry or began >= self._admits_from
        admitted = await engine.store.admit(ADMISSION_BATCH) if takes_in else 0
        spent = engine.clock.monotonic() - began
        claimed = await self._claim_and_start(workers)
        if claimed and self._dry:
            await anyio.sleep(GIVE_WAY_SECONDS)
        if claimed and self._bell_wanted:
            await self._want_bell(False)
        promoted = 0
        if takes_in:
            began = engine.clock.monotonic()
            promoted = await engine.store.promote(PROMOTION_BATCH)
            ended = engine.clock.monotonic()
            spent += ended - began
            # A backlog is taken in by portions, between claims, and never holds them up for longer than one portion.
            self._more_to_admit = promoted >= PROMOTION_BATCH or admitted >= ADMISSION_BATCH
            self._admits_from = ended + spent * (1 / ADMISSION_SHARE - 1)
        await self._gate.ask()
        return (claimed and not self._dry) or promoted > 0 or (self._more_to_admit and self._dry)

    async def _claim_and_start(self, workers: Workers) -> bool:
        """Whether anything was claimed."""
        claims: list[Claim] = []
        try:
            await self._claim(claims)
            suspects = [claim for claim in claims if claim.taken_over]
            claims = [claim for claim in claims if not claim.taken_over]
            if suspects:
                self._suspect_in_hand = True
                self._start(workers, self._work_alone, suspects[0], None)
            for claim in suspects[1:]:
                self._return(claim, released(claim))
            work: list[tuple[Claim, Any]] = []
            for entity_type, group in _by_type(claims).items():
                try:
                    rows = await self._read(entity_type, group)
                except ColumnNotGranted as missing:
                    self._give_back(group, missing)
                    continue
                work += [(claim, rows.get(claim.entity_id)) for claim in group]
        except Exception:
            # Nothing was sent for them: they are given back, whatever went wrong.
            for claim in claims:
                self._return(claim, released(claim))
            raise
        for claim, row in work:
            self._start(workers, self._work, claim, row)
        return bool(claims) or bool(suspects)

    def _start(
        self, workers: Workers, work: Callable[[Claim, Any], Coroutine[Any, Any, None]], claim: Claim, row: Any
    ) -> None:
        async def counted(claim: Claim, row: Any) -> None:
            try:
                await work(claim, row)
            finally:
                if self._places.end(claim.lease.token):
                    self.wake()

        self._places.begin()
        workers.start_soon(counted, claim, row)

    @property
    def _unsettled(self) -> bool:
        """Whether so much waits for its settlement that nothing more is claimed."""
        return len(self._verdicts) >= MOST_UNSETTLED

    async def _claim(self, claims: list[Claim]) -> None:
        """Adds claims for the free places; the last few are for live changes alone."""
        self._dry = False
        if self._unsettled:
            return
        room = self._places.room
        if room >= self._places.refill:
            taken = await self._take(room, self._gate.least_urgent)
            self._dry = len(taken) < room
            claims.extend(taken)
        room = self._places.live_room - len(claims)
        if not self._dry and not self.draining and room > 0:
            live = await self._take(room, Urgency.LIVE)
            self._places.take_for_live(claim.lease.token for claim in live)
            claims.extend(live)

    async def _take(self, room: int, least_urgent: Urgency) -> list[Claim]:
        try:
            taken = await self._engine.store.claim(room, least_urgent)
        except ForeignDatabase:
            self.foreign = "the database behind DATABASE_URL is another one than at start-up: a clone or a copy"
            self.drain()
            return []
        self.meter.claimed(taken)
        for claim in taken:
            self._held[claim.lease.token] = claim
            self._log.debug(
                Event.ENTRY_CLAIMED,
                entity_type=claim.entity_type,
                entity_id=str(claim.entity_id),
                attempt=claim.attempts,
                entries=claim.entries,
            )
        return taken

    async def _read(self, entity_type: EntityType, claims: list[Claim]) -> dict[UUID, Any]:
        """The present rows, in one query; one by one where a row among them cannot even be read."""
        entity = self._engine.entities[entity_type]
        ids = [claim.entity_id for claim in claims]
        try:
            async with self._engine.database.connection() as connection:
                return await entity.read(connection, ids)
        except psycopg.DataError:
            rows: dict[UUID, Any] = {}
            for entity_id in ids:
                try:
                    async with self._engine.database.connection() as connection:
                        rows |= await entity.read(connection, [entity_id])
                except psycopg.DataError as undecodable:
                    rows[entity_id] = _Undecodable(undecodable)
            return rows

    def _give_back(self, claims: Iterable[Claim], missing: ColumnNotGranted) -> None:
        """What cannot be read until ``migrate`` has run; other types go on."""
        if str(missing) != self._ungranted_said:
            self._ungranted_said = str(missing)
            self._log.warning(Event.SCHEMA_OUTDATED, step=str(missing), advice="zoho-outbox migrate")
        for claim in claims:
            self._return(claim, released(claim, seconds=NOT_GRANTED_PAUSE_SECONDS, error=str(missing)))

    async def _work_alone(self, claim: Claim, _: None) -> None:
        """An attempt that may kill the process: when nothing else is in hand, the reading of its row included."""
        try:
            rows = await self._read_alone(claim)
            if rows is not None:
                await self._work(claim, rows.get(claim.entity_id))
        finally:
            self._suspect_in_hand = False
            self.wake()

    async def _read_alone(self, claim: Claim) -> dict[UUID, Any] | None:
        """None: it was given back."""
        pause = 0.0
        try:
            while self.holds > 1:
                await self.settled()
            return await self._read(claim.entity_type, [claim])
        except anyio.get_cancelled_exc_class():
            self._hand_over(Ended(released(claim), str(claim.entity_id)))
            raise
        except (DatabaseUnavailable, psycopg.Error):
            pass  # Other loops say so.
        except Exception:
            self._log.exception(Event.ENTRY_CRASHED, entity_id=str(claim.entity_id))
            pause = SUSPECT_PAUSE_SECONDS
        self._hand_over(Ended(released(claim, seconds=pause), str(claim.entity_id)))
        return None

    async def _work(self, claim: Claim, row: Any) -> None:
        sender = self._engine.sender
        if isinstance(row, _Undecodable):
            self._hand_over(sender.undecodable(claim, row.error))
            return
        entity = self._engine.entities[claim.entity_type]
        try:
            ended = await sender.attempt(entity, claim, row, self._hand_over)
        except Exception:
            # Not foreseen: nobody knows what was sent. Nothing is settled, so that the lease runs out and whoever
            # takes over looks first; the other workers go on.
            self._log.exception(Event.ENTRY_CRASHED, entity_id=str(claim.entity_id))
            self._let_go([claim])
            return
        if ended.stopped is not None:
            self._gate.heed(ended.stopped, Urgency(claim.urgency))
        self._hand_over(ended)
        if ended.stopped is not None:
            await self._gate.say_used_up(ended.stopped)

    def _return(self, claim: Claim, verdict: Verdict) -> None:
        """A claim whose attempt never began."""
        self._places.leave(claim.lease.token)
        self._hand_over(Ended(verdict, str(claim.entity_id)))

    def _hand_over(self, ended: Ended) -> None:
        self._verdicts.append(ended)
        self._verdict_ready.set()

    async def settle(self) -> None:
        """Settles verdicts in batches, for ever. Whatever is in hand survives an outage."""
        while True:
            if not self._verdicts:
                self._supervisor.progress(SETTLING)
                self._verdict_ready = anyio.Event()
                with anyio.move_on_after(LONGEST_REST_SECONDS):
                    await self._verdict_ready.wait()
                continue
            if self._places.under_way and len(self._verdicts) < SETTLEMENT_BATCH:
                await anyio.sleep(SETTLEMENT_LINGER_SECONDS)
            batch = [self._verdicts[place] for place in range(min(len(self._verdicts), SETTLEMENT_BATCH))]
            await self._settle(batch)
            self._supervisor.progress(SETTLING)

    async def _settle(self, batch: list[Ended]) -> None:
        settlement = await self._engine.store.settle([ended.verdict for ended in batch])
        for _ in batch:
            self._verdicts.popleft()
        tell(batch, settlement, self.meter)
        self._let_go([ended.verdict.claim for ended in batch])

    def _let_go(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._held.pop(claim.lease.token, None)
        self._batch_settled.set()
        self._batch_settled = anyio.Event()
        self.wake()

    async def _rest(self, idle_polls: int) -> int:
        """Waits for the bell, for something scheduled, or for the next poll: after going idle at 1, 2, 4 … s."""
        engine = self._engine
        if self._gate.was_open and self._more_to_admit:
            # What is live may stand behind it: whoever rings or settles is heard, and else it is its turn.
            with anyio.move_on_after(self._admits_from - engine.clock.monotonic()):
                await self._wake.wait()
            return 0
        if self._unsettled or self._places.live_room <= 0:
            seconds = LONGEST_REST_SECONDS
        else:
            if idle_polls == 0 and self._places.under_way:
                with anyio.move_on_after(BUSY_REST_SECONDS):
                    await self._wake.wait()
                    return 0
            # The bell is asked for first and the outbox read once more after: what came in between is seen.
            if idle_polls == 0:
                await self._want_bell(True)
                return 1
            seconds = doubled(1.0, idle_polls - 1, min(engine.settings.outbox_poll_seconds, LONGEST_REST_SECONDS))
            if (stopped := self._gate.seconds_stopped) > 0:
                seconds = min(seconds, stopped)
            due = await engine.store.seconds_to_next_due() if self._gate.was_open else None
            if due is not None:
                seconds = min(seconds, max(due, 0.05))
        with anyio.move_on_after(seconds):
            await self._wake.wait()
            return 0
        return idle_polls + 1


def _by_type(claims: list[Claim]) -> dict[EntityType, list[Claim]]:
    groups: dict[EntityType, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.entity_type, []).append(claim)
    return groups
