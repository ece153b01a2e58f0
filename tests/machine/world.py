"""Replicas of the daemon in one process, each step of each at the machine's command; and what is promised of them."""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, LiteralString
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from outbox.clock import ManualClock
from outbox.database import DatabaseUnavailable, Row
from outbox.entities.contract import AnyEntity, Terms
from outbox.entities.customer import Customer
from outbox.host_tables import HOST_TABLES
from outbox.sending.attempt import Ended, Sender
from outbox.sending.catalogue import Catalogues
from outbox.sending.listing import Listings
from outbox.sending.terms import SendingTerms
from outbox.settings import LogPayloads
from outbox.store.catalogue import CatalogueStore
from outbox.store.listing import ListingStore
from outbox.store.organisation import OrganisationStore
from outbox.store.protocol import OutboxStore, Settlement
from outbox.store.verdicts import Claim, Verdict
from outbox.vocabulary import Change, EntityType, Origin, Phase, Urgency
from tests.machine.gates import GO, Actor, pass_gate
from tests.machine.ground import Ground, Key
from tests.machine.payment import Payment
from tests.machine.zoho import ACCOUNT_NUMBER, EXTERNAL_ID, FakeZoho, Flight, FlightClient, Holder, Reply

LEASE_SECONDS = 120.0
REQUEST_SECONDS = 30.0
RECHECK_SECONDS = 30.0
CLOSE_CALL_SECONDS = 5.0
"""The database's clock goes on while an example runs; the virtual one does not. Nothing is executed so near an end."""
MAX_ATTEMPTS = 4
MOST_ROUNDS = 25
"""In which everything must come to rest once everything is well."""

DATABASE_GONE = "database gone"

IN_TRANSACTION = ("next statement", "commit")
MOMENTARY = (*IN_TRANSACTION, "intent", "intent committed", "leaving")
"""Gates at which a process that runs does not stand for long."""

TERMS = SendingTerms(
    max_attempts=MAX_ATTEMPTS,
    retry_base=30.0,
    retry_max=14400.0,
    recheck=RECHECK_SECONDS,
    request=REQUEST_SECONDS,
    payloads=LogPayloads.MASKED,
    kept_labels=(EXTERNAL_ID, ACCOUNT_NUMBER),
    mapping=Terms("ZAR", EXTERNAL_ID, ACCOUNT_NUMBER, zone=ZoneInfo("Africa/Johannesburg"), today=date.min),
)

Content = tuple[str | None, dict[str, Any], str]
"""Why a row is not to be sent, its content in Zoho, its lifecycle there."""

REPLAY_DEAD: LiteralString = "SELECT * FROM public.zoho_outbox_replay_dead(%s)"

ENTITIES: dict[EntityType, AnyEntity] = {EntityType.CUSTOMER: Customer(), EntityType.PAYMENT: Payment()}


class Broken(AssertionError):  # noqa: N818 - a verdict
    """A promise that was not kept."""


class SteppedStore(OutboxStore):
    """The store, with gates where a process can be stopped, die, or lose the database."""

    committed: Callable[[Settlement], None]

    async def commit_intent(self, claim: Claim, look_key: str) -> bool:
        if await pass_gate("intent", claim) == DATABASE_GONE:
            raise DatabaseUnavailable("went away before the intent was committed")
        granted = await super().commit_intent(claim, look_key)
        if await pass_gate("intent committed", claim) == DATABASE_GONE:
            raise DatabaseUnavailable("went away after the intent was committed")
        return granted

    async def _settle_once(self, *arguments: Any) -> Settlement:
        settlement = await super()._settle_once(*arguments)
        self.committed(settlement)
        return settlement

    async def _wake_after(self, accepted: Sequence[Verdict]) -> None:
        await pass_gate("wake-up")
        await super()._wake_after(accepted)

    async def wake(self, parents: Sequence[UUID] | None) -> int:
        try:
            return await super().wake(parents)
        except DatabaseUnavailable as unavailable:
            # A settlement stands all the same, so that nobody else would notice.
            raise Broken(f"a wake-up waited for somebody: {unavailable}") from None


@dataclass(eq=False)
class Attempt:
    """A claim with its way to a verdict. ``ended`` None and no actor: its row is not read yet."""

    claim: Claim
    holder: Holder
    actor: Actor | None = None
    ended: Ended | None = None
    settling: Actor | None = None
    settled: bool = False
    requests: int = 0


@dataclass(eq=False)
class Replica:
    """A process of the daemon."""

    name: str
    clock: ManualClock
    store: SteppedStore
    sender: Callable[[Attempt], Sender]
    attempts: list[Attempt] = field(default_factory=list)
    """Held: claimed and not settled as far as this process knows."""
    claiming: Actor | None = None
    stopped: bool = False
    """SIGSTOP: none of its coroutines moves, time goes on."""
    frozen: bool = False
    """Stopped together with its machine: its clock stands still too."""
    freezes: int = 0
    beats: bool = True
    """Its heartbeat reaches the database."""


class World:
    """Everything of one example."""

    def __init__(
        self,
        ground: Ground,
        store_class: type[SteppedStore],
        *,
        replicas: int,
        unique_names: bool = True,
        filters_mails: bool = True,
        list_lag: float = 0.0,
    ) -> None:
        self.ground = ground
        self.store_class = store_class
        self.seconds = 0.0
        """True time since the beginning."""
        self.zoho = FakeZoho(
            unique_names=unique_names,
            filters_mails=filters_mails,
            list_lag=list_lag,
            shows_within=RECHECK_SECONDS - CLOSE_CALL_SECONDS,
        )
        self.flights: list[Flight] = []
        self.log_rows_due: Counter[UUID] = Counter()
        self.ever_held: set[int] = set()
        self.unswept = False
        """A wake-up did not happen (its process died) or passed by (a child was held): the sweep has to mend that."""
        self.state_held = False
        """An operator's transaction, left open, holds a state row."""
        self.set_aside: dict[Key, Content | None] = {}
        """What was last set aside by an operator, and what the row was to be in Zoho at that moment."""
        self.late_done: set[UUID] = set()
        """Rows whose update left after its lease, from a process that then died: see :meth:`crash`."""
        self.seen: Counter[str] = Counter()
        self.story: list[str] = []
        """What the replicas did, for people."""
        ground.reset()
        self.replicas = [self._start(f"replica {number}") for number in range(1, replicas + 1)]

    def _start(self, name: str) -> Replica:
        database = self.ground.database
        clock = ManualClock()
        store = self.store_class(database, uuid4(), clock, LEASE_SECONDS, tuple(ENTITIES))
        store.committed = self._committed
        organisation = OrganisationStore(database, "Africa/Johannesburg")

        def sender(attempt: Attempt) -> Sender:
            client: Any = FlightClient(
                self.zoho,
                database,
                attempt.holder,
                attempt.claim.entity_id,
                self.flights,
                lambda: self.seconds,
                REQUEST_SECONDS,
            )
            return Sender(
                client,
                store,
                organisation,
                clock,
                TERMS,
                catalogues=Catalogues(CatalogueStore(database)),
                listings=Listings(ListingStore(database, clock)),
                jitter=lambda _low, high: high,
            )

        return Replica(name, clock, store, sender)

    def run(self, coroutine: Any) -> Any:
        """Something that nobody comes in between."""
        return self.ground.loop.run_until_complete(coroutine)

    # What a replica does, in the order of its work.

    def admit(self, replica: Replica, batch: int = 100) -> None:
        self.run(replica.store.promote())
        self.run(replica.store.admit(batch))

    def claim(self, replica: Replica, batch: int, *, in_steps: bool = False) -> None:
        """Leases; in steps: its transaction stands open in between."""
        self._claim(replica, replica.store.claim(batch, Urgency.RECONCILE), in_steps=in_steps)

    def claim_one(self, replica: Replica, entity: Key, *, force: bool, in_steps: bool = False) -> None:
        """As ``zoho-outbox sync`` does: one entity now, enqueued first where nothing of it is."""
        store = replica.store

        async def one() -> list[Claim]:
            claim = await store.claim_one(*entity)
            self.seen["claims of one entity"] += claim is not None
            return [] if claim is None else [claim]

        state = self.ground.states().get(entity)
        open_entries = [e for e in self.ground.entries(entity[1]) if e["finished_at"] is None]
        if force or not open_entries or (state is not None and state["phase"] == Phase.DEAD):
            self.run(
                store.enqueue(
                    [entity],
                    change=Change.REQUESTED,
                    origin=Origin.OPERATOR,
                    urgency=Urgency.LIVE,
                    requested_by="finance_operator",
                )
            )
        self.run(store.admit(100))
        self._claim(replica, one(), in_steps=in_steps)

    def _claim(self, replica: Replica, claiming: Coroutine[Any, Any, list[Claim]], *, in_steps: bool) -> None:
        asked, freezes = replica.clock.monotonic(), replica.freezes

        async def take() -> None:
            for claim in await claiming:
                holder = Holder(replica, claim.lease, asked + LEASE_SECONDS, freezes)
                replica.attempts.append(Attempt(claim, holder))
                self.tell(
                    f"{replica.name} claims {_named(claim)}, attempt {claim.attempts}, {claim.entries} entries, "
                    f"known as {claim.zoho_id}, sent {claim.sent_hash}, resend {claim.resend}"
                )
                self._saw_claim(claim)

        actor = Actor(self.ground.loop, take(), in_transactions=True, unhindered=not in_steps)
        if not actor.done:
            replica.claiming = actor

    def tell(self, text: str) -> None:
        """Goes on with the story."""
        self.story.append(f"{self.seconds:7.0f} s  {text}")

    def _broken(self, what: list[str]) -> Broken:
        return Broken("\n".join(["; ".join(what), *self.story]))

    def _saw_claim(self, claim: Claim) -> None:
        self.seen["claims"] += 1
        if claim.fate_unknown_seconds is not None:
            self.seen["claims with a fate unknown"] += 1
        if claim.clean_look_seconds is not None:
            self.seen["claims after a clean look"] += 1
        if claim.entries == 0:
            self.seen["claims without entries"] += 1
        if claim.entries > 1:
            self.seen["claims of several entries"] += 1
        if claim.attempts > 1:
            self.seen["repeated attempts"] += 1
        if claim.resend:
            self.seen["claims that resend"] += 1

    def read(self, replica: Replica) -> None:
        """Reads the rows of what was claimed, and begins the attempts."""
        fresh = [attempt for attempt in replica.attempts if attempt.actor is None and attempt.ended is None]
        for entity_type, entity in ENTITIES.items():
            group = [attempt for attempt in fresh if attempt.claim.entity_type == entity_type]
            if not group:
                continue
            rows = self.run(self._rows(entity, [attempt.claim.entity_id for attempt in group]))
            for attempt in group:
                self._begin(replica, entity, attempt, rows.get(attempt.claim.entity_id))

    async def _rows(self, entity: AnyEntity, ids: list[UUID]) -> dict[UUID, Any]:
        async with self.ground.database.connection() as connection:
            return await entity.read(connection, ids)

    def _begin(self, replica: Replica, entity: AnyEntity, attempt: Attempt, row: Any) -> None:
        async def go() -> None:
            def interrupted(ended: Ended) -> None:
                attempt.ended = ended

            attempt.ended = await replica.sender(attempt).attempt(entity, attempt.claim, row, interrupted)
            verdict = attempt.ended.verdict
            self.tell(
                f"{replica.name} ends {_named(attempt.claim)}: {verdict.phase}, {verdict.outcome}, {verdict.error}, "
                f"{'a log row' if verdict.log else 'no log row'}"
            )
            if "internal error" in (attempt.ended.verdict.error or ""):
                raise Broken(f"{attempt.ended.named}: {attempt.ended.verdict.error}")

        attempt.actor = Actor(self.ground.loop, go(), unhindered=self._healing)

    _healing = False

    def advance(self, actor: Actor, answer: str = GO) -> None:
        """One gate further."""
        gate = actor.gate
        assert gate is not None
        if gate.name == "leaving" and not self._may_leave(gate.what):
            gate.what.can_be_executed = False
        if gate.name == "flight":
            flight: Flight = gate.what
            reply = Reply(answer)
            if reply not in (Reply.TIMED_OUT, Reply.LOST_UNDONE) and flight.executed is not None:
                # It was executed already: it cannot be refused any more.
                reply = reply if reply in (Reply.GOOD, Reply.LOST_DONE, Reply.ERROR_DONE) else Reply.LOST_DONE
            if flight.executed is None and not self.may_be_executed(flight) and not flight.request.is_read:
                reply = Reply.LOST_UNDONE
            answer = reply
            self.tell(f"{flight.request.method} {flight.request.path} of {_short(flight.entity)}: {reply}")
            self.seen[f"{'create' if flight.is_create else flight.request.method}: {reply}"] += 1
        self.seen[f"gate {gate.name}"] += 1
        actor.go(answer)

    def settle(self, replica: Replica, attempts: Sequence[Attempt], *, in_steps: bool, answer_lost: bool) -> None:
        """Ends claims; ``answer_lost``: the database does it and goes away, so that it is settled once more."""
        batch = [attempt for attempt in attempts if attempt.ended is not None and attempt.settling is None]
        if not batch:
            return

        async def end() -> None:
            settlement = await replica.store.settle([attempt.ended.verdict for attempt in batch if attempt.ended])
            self.seen["settlements refused"] += len(settlement.refused)
            self.seen["write-backs deferred"] += settlement.deferred
            if settlement.trouble:
                raise Broken(f"a settlement could not be written: {settlement.trouble}")
            for attempt in batch:
                attempt.settling = None
                if not answer_lost:
                    attempt.settled = True
                    replica.attempts.remove(attempt)

        actor = Actor(self.ground.loop, end(), in_transactions=True, unhindered=not in_steps)
        if not actor.done:
            for attempt in batch:
                attempt.settling = actor

    def _committed(self, settlement: Settlement) -> None:
        for verdict in settlement.accepted:
            self.log_rows_due[verdict.claim.entity_id] += verdict.log is not None
            self.tell(f"settled {_named(verdict.claim)}: {verdict.phase}")
            self.seen[f"settled {verdict.entry_status}"] += 1
        for verdict in settlement.refused:
            self.tell(f"refused {_named(verdict.claim)}: {verdict.phase}")

    def renew(self, replica: Replica) -> None:
        """The heartbeat."""
        held = [attempt for attempt in replica.attempts if attempt.settling is None]
        asked = replica.clock.monotonic()
        self.run(replica.store.renew([attempt.claim for attempt in held]))
        for attempt in held:
            if not attempt.claim.lease.lost:
                attempt.holder.good_until = asked + LEASE_SECONDS

    def reclaim(self, replica: Replica) -> None:
        rows: list[Row] = self.run(replica.store.reclaim())
        for row in rows:
            self.log_rows_due[row["entity_id"]] += 1
            self.tell(f"{replica.name} takes over {row['entity_type']} {_short(row['entity_id'])}")
        self.seen["leases taken over"] += len(rows)
        # A parent may have adopted its record already, and nobody settled that: the sweep wakes its children.
        self.unswept |= bool(rows)

    def sweep(self, replica: Replica) -> None:
        """Write-backs that were left, and wake-ups that were."""
        self.seen["late write-backs"] += self.run(replica.store.write_back())
        self.seen["woken by the sweep"] += self.run(replica.store.wake(None))
        self.unswept = self.state_held

    # What happens to replicas, and to time.

    def pass_time(self, seconds: float) -> None:
        """For everybody. Processes that are alive renew their leases, let go what must not wait, and time out."""
        running = [replica for replica in self.replicas if not replica.stopped]
        for replica in running:
            for actor in self.actors(replica):
                while actor.gate is not None and actor.gate.name in MOMENTARY:
                    self.advance(actor)
        self.seconds += seconds
        self.ground.pass_time(seconds)
        for replica in self.replicas:
            if not replica.frozen:
                replica.clock.advance(seconds)
        for replica in running:
            if replica.beats:
                # In truth several times on the way; nobody comes in between, so once at the end is the same.
                self.renew(replica)
            self._time_out(replica)

    @property
    def may_pass_time(self) -> bool:
        """Time is passed by writing on state rows: not while one is locked by a process that was stopped, or by an
        operator."""
        return not self.state_held and not any(
            actor.gate is not None and actor.gate.name in IN_TRANSACTION
            for replica in self.replicas
            if replica.stopped
            for actor in self.actors(replica)
        )

    def _time_out(self, replica: Replica) -> None:
        for actor in self.actors(replica):
            gate = actor.gate
            if gate is not None and gate.name == "flight":
                flight: Flight = gate.what
                if replica.clock.monotonic() - flight.checked_by_own_clock > REQUEST_SECONDS:
                    self.advance(actor, Reply.TIMED_OUT)

    def _may_leave(self, flight: Flight) -> bool:
        """A create that leaves so late that nobody can promise anything (see :meth:`may_be_executed`) does not."""
        return not flight.is_create or self._within_proviso(flight, left_now=True)

    def may_be_executed(self, flight: Flight) -> bool:
        """The proviso: Zoho executes no create later than the recheck time after our time-out.

        Our time-out is when the sender stopped waiting, at most the request's own time after its lease check. An
        update whose sender is gone is executed at once or never: its repetition must not be overtaken by it, which
        nobody can promise either.
        """
        if flight.executed is not None or not flight.can_be_executed or not flight.left:
            return False
        if flight.is_create:
            return self._within_proviso(flight)
        return flight.ended_at is None

    def _within_proviso(self, flight: Flight, *, left_now: bool = False) -> bool:
        given_up = flight.own_end if left_now else flight.given_up_at
        return self.seconds < given_up + RECHECK_SECONDS - CLOSE_CALL_SECONDS

    def execute(self, flight: Flight) -> None:
        """Zoho does it; the answer is on its way."""
        flight.execute(self.zoho, self.seconds)
        self.tell(f"Zoho executes {flight.request.method} {flight.request.path} of {_short(flight.entity)}")
        self.seen[
            "executed before its answer" if flight.ended_at is None else "executed after its sender was gone"
        ] += 1

    def stop(self, replica: Replica, *, frozen: bool) -> None:
        replica.stopped, replica.frozen = True, frozen
        replica.freezes += frozen

    def resume(self, replica: Replica) -> None:
        """It goes on where it was, and knows of nothing."""
        replica.stopped = replica.frozen = False

    def crash(self, replica: Replica) -> None:
        """SIGKILL; started again as a new process.

        One double misfortune is beyond every promise: a process that was stopped between its lease check and the
        first byte of an update, went on after its lease had ended, and was killed before it could settle.
        """
        self.tell(f"{replica.name} crashes")
        unsettled = [attempt.holder for attempt in replica.attempts]
        self.late_done |= {
            flight.entity for flight in self.flights if flight.holder in unsettled and flight.executed_late
        }
        for attempt in replica.attempts:
            if attempt.settling is not None and attempt.settling.gate is not None:
                self.unswept = True
        self._drop(replica)
        self.replicas[self.replicas.index(replica)] = self._start(replica.name)

    def terminate(self, replica: Replica) -> None:
        """SIGTERM with its time-out over: attempts are cancelled, and what they say is settled."""
        if replica.claiming is not None:
            replica.claiming.finish()
        for attempt in replica.attempts:
            if attempt.settling is not None:
                attempt.settling.finish()
        self.read(replica)
        for attempt in list(replica.attempts):
            if attempt.actor is not None:
                attempt.actor.drop()
        self.settle(replica, replica.attempts, in_steps=False, answer_lost=False)
        self.replicas[self.replicas.index(replica)] = self._start(replica.name)

    def _drop(self, replica: Replica) -> None:
        if replica.claiming is not None and not replica.claiming.done:
            # It may have held a child that a wake-up passed by.
            self.unswept = True
        for actor in self.actors(replica):
            actor.drop()

    def actors(self, replica: Replica) -> list[Actor]:
        actors = [replica.claiming] if replica.claiming is not None else []
        for attempt in replica.attempts:
            actors += [actor for actor in (attempt.actor, attempt.settling) if actor is not None]
        return [actor for actor in dict.fromkeys(actors) if not actor.done]

    def close(self) -> None:
        """Leaves nothing running."""
        for replica in self.replicas:
            self._drop(replica)

    # What is promised.

    def check(self) -> None:
        """What must hold after every step."""
        wakes_pending = self.unswept or any(
            attempt.settling is not None for replica in self.replicas for attempt in replica.attempts
        )
        wakes_pending = wakes_pending or any(
            replica.claiming is not None and not replica.claiming.done for replica in self.replicas
        )
        for row in self.ground.rows(_REACHED):
            self.seen[row["what"]] += 1
        broken = self.ground.broken(self.ever_held, wakes_pending=wakes_pending)
        broken += [f"created {count} times: {row}" for row, count in self.zoho.creates.items() if count > 1]
        in_flight = Counter(
            flight.entity
            for flight in self.flights
            if flight.ended_at is None
            and flight.holder.freezes == flight.holder.replica.freezes
            and flight.holder.replica.clock.monotonic() < flight.holder.good_until
            and not flight.holder.lease.lost
        )
        broken += [f"{count} sends in flight: {entity}" for entity, count in in_flight.items() if count > 1]
        if broken:
            raise self._broken(broken)

    def come_to_rest(self) -> None:
        """Everything becomes well, and everything that is left to do is done."""
        self.ground.mend_organisation()
        for replica in self.replicas:
            self.resume(replica)
            replica.beats = True
        self._healing = True
        self.tell("everything becomes well")
        for replica in self.replicas:
            if replica.claiming is not None:
                self._finish(replica.claiming)
                replica.claiming = None
            for actor in self.actors(replica):
                self._finish(actor)
            self.read(replica)
            self.settle(replica, replica.attempts, in_steps=False, answer_lost=False)
        self.check()
        self._work_off()
        for _ in range(2):
            if self._replay_dead():
                self._work_off()
        self._judge()
        self._healing = False

    def _finish(self, actor: Actor) -> None:
        while actor.gate is not None:
            self.advance(actor)

    def _work_off(self) -> None:
        for number in range(MOST_ROUNDS):
            replica = self.replicas[number % len(self.replicas)]
            self.ground.mend_organisation()
            self.reclaim(replica)
            self.admit(replica)
            self.claim(replica, 20)
            self.read(replica)
            self.settle(replica, replica.attempts, in_steps=False, answer_lost=False)
            self.sweep(replica)
            self.check()
            if not self.ground.rows(_UNREST):
                return
            self.pass_time(20_000.0)
        raise self._broken([f"no rest after {MOST_ROUNDS} rounds: {self.ground.rows(_UNREST)}"])

    def _replay_dead(self) -> bool:
        """An operator corrects ids that were set by hand, and has what is dead tried again."""
        dead = [entry for entry in self.ground.entries() if entry["status"] == "dead"]
        for entry in dead:
            entity_type = EntityType(entry["entity_type"])
            row = self.ground.host_rows(entity_type).get(entry["entity_id"])
            if (
                row is not None
                and row["zoho_id"] is not None
                and not self._is_ours(entity_type, row["id"], row["zoho_id"])
            ):
                table = HOST_TABLES[entity_type]
                self.ground.time.execute(
                    f"UPDATE public.{table.name} SET {table.zoho_id} = NULL WHERE id = %s",
                    [row["id"]],
                )
        replayed = {row["id"] for row in self.ground.operator.execute(REPLAY_DEAD, [None]).fetchall()}
        if replayed != {entry["id"] for entry in dead}:
            raise self._broken([f"replay of the dead reopened {replayed}, dead are {dead}"])
        return bool(dead)

    def content(self, entity: Key) -> "Content | None":
        """What the row, as it is committed, is to be in Zoho; None: it is not there."""
        kind, entity_id = ENTITIES[entity[0]], entity[1]
        row = self.run(self._rows(kind, [entity_id])).get(entity_id)
        if row is None:
            return None
        desired = kind.desired(row, TERMS.mapping)
        return kind.ineligible(row, TERMS.mapping), dict(desired.content), desired.lifecycle

    def _is_ours(self, entity_type: EntityType, entity_id: UUID, zoho_id: str) -> bool:
        return zoho_id in self.zoho.of(entity_type, str(entity_id))

    def _judge(self) -> None:
        broken = []
        states = self.ground.states()
        at_rest = {(row["entity_type"], row["entity_id"]): row["last_error"] for row in self.ground.rows(_SET_ASIDE)}
        for entity_type, entity in ENTITIES.items():
            hosts = self.ground.host_rows(entity_type)
            for entity_id, row in self.run(self._rows(entity, list(hosts))).items():
                state = states.get((entity_type, entity_id))
                if (entity_type, entity_id) in at_rest:
                    reason = at_rest[entity_type, entity_id]
                    broken += self._wrongly_set_aside((entity_type, entity_id), reason, hosts[entity_id], state)
                elif entity_id not in self.late_done:
                    broken += self._wrong(entity, row, hosts[entity_id], state, states)
        logs = {
            row["entity_id"]: row["rows"]
            for row in self.ground.rows("SELECT entity_id, count(*) AS rows FROM public.zoho_sync_logs GROUP BY 1")
        }
        for _, entity_id in states:
            if logs.get(entity_id, 0) != self.log_rows_due[entity_id]:
                due = self.log_rows_due[entity_id]
                broken.append(f"{entity_id}: {logs.get(entity_id, 0)} log rows of {due} attempts that ended")
        if broken:
            raise self._broken(broken)

    def _wrongly_set_aside(self, entity: Key, reason: str, host: Row, state: Row | None) -> list[str]:
        named = f"{entity[0]} {entity[1]}"
        if state is None or state["phase"] != Phase.IDLE:
            return [f"{named} was set aside, and is {state and state['phase']}"]
        if entity not in self.set_aside or self.content(entity) != self.set_aside[entity]:
            return [f"{named} was changed after it was set aside, and nothing was sent"]
        self.seen["rows at rest that were set aside"] += 1
        shown = host["zoho_sync_status"], host["zoho_last_sync_error"]
        return [] if shown == ("skipped", reason) else [f"{named} was set aside ({reason}) and shows {shown}"]

    def _wrong(self, entity: AnyEntity, row: Any, host: Row, state: Row | None, states: dict[Key, Row]) -> list[str]:
        named = f"{entity.entity_type} {row.id}"
        if state is None:
            return [f"{named} was never admitted"]
        if entity.ineligible(row, TERMS.mapping):
            return (
                []
                if host["zoho_sync_status"] == "skipped"
                else [f"{named} shows {host['zoho_sync_status']}, not skipped"]
            )
        if waiting := entity.prerequisites(row, TERMS.mapping):
            (parent,) = waiting
            if (state["phase"], state["waits_for_id"]) != ("waiting", parent.id):
                return [f"{named} does not wait for {parent.named}: {state['phase']}"]
            if state["waits_for_dead"] != parent.dead:
                return [f"{named} waits for {parent.named}, and says that it failed: {state['waits_for_dead']}"]
            return []
        if state["phase"] != "idle":
            return [f"{named} is {state['phase']}: {state['last_error']}"]
        broken = []
        if (host["zoho_sync_status"], host["zoho_last_sync_error"]) != ("synced", None):
            broken.append(f"{named} shows {host['zoho_sync_status']}: {host['zoho_last_sync_error']}")
        if host["zoho_id"] not in (state["zoho_id"], None):
            broken.append(f"{named} has the id {host['zoho_id']}, and its state {state['zoho_id']}")
        record = self.zoho.records[entity.entity_type].get(state["zoho_id"] or "")
        if record is None:
            return [*broken, f"{named} is not in Zoho"]
        desired = entity.desired(row, TERMS.mapping)
        # Empty there is empty here, whichever way it is said.
        wanted = {key: _said(value) for key, value in desired.content.items()}
        held = {key: _said(record.get(key)) for key in wanted}
        if held != wanted or record["status"] != desired.lifecycle:
            broken.append(f"{named}: Zoho holds {held} {record['status']}, not {wanted} {desired.lifecycle}")
        return broken


def _said(value: Any) -> Any:
    """A value, None where it is empty all through."""
    if isinstance(value, Mapping):
        return {key: part for key, part in value.items() if _said(part) is not None} or None
    return value or None


def _short(entity_id: UUID) -> str:
    return f"{entity_id.int:x}"


def _named(claim: Claim) -> str:
    return f"{claim.entity_type} {_short(claim.entity_id)}"


_UNREST = """
SELECT 'entry not admitted' AS what, id::text AS which FROM public.zoho_outbox WHERE NOT admitted
UNION ALL
SELECT phase, entity_id::text FROM zoho_outbox_private.entity_state WHERE phase IN ('ready', 'scheduled', 'leased')
UNION ALL
SELECT 'write-back due', entity_id::text FROM zoho_outbox_private.entity_state WHERE write_back_due IS NOT NULL
"""

_SET_ASIDE = """
SELECT entity_type, entity_id, last_error
FROM (
    SELECT DISTINCT ON (entity_type, entity_id) *
    FROM public.zoho_outbox
    ORDER BY entity_type, entity_id, finished_at DESC NULLS FIRST, id DESC
) AS last
WHERE outcome = 'set_aside'
"""
"""Entities of which nothing was finished after an operator set an entry of them aside."""

_REACHED = """
SELECT DISTINCT 'phase ' || phase AS what FROM zoho_outbox_private.entity_state
UNION
SELECT DISTINCT format('entry %s%s', status, ', ' || outcome) FROM public.zoho_outbox
"""
