"""What may happen, in any order: the rules of the machine."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, LiteralString
from uuid import UUID

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from psycopg.pq import TransactionStatus

from outbox.vocabulary import EntityType
from tests.machine.gates import GO, Actor
from tests.machine.ground import Connection, Ground, Row, giving_up_on_locks
from tests.machine.world import DATABASE_GONE, REPLAY_DEAD, Attempt, Replica, SteppedStore, World
from tests.machine.zoho import Flight, Reply

CUSTOMERS = [UUID(int=0xC0 + number) for number in range(2)]
PAYMENTS = [UUID(int=0xD0 + number) for number in range(4)]

index = st.integers(0, 5)
which = st.integers(0, 1)
variant = st.integers(0, 3)
often = st.sampled_from([True, True, False])
seldom = st.sampled_from([False, False, False, True])

INSERT_CUSTOMER: LiteralString = """
INSERT INTO public.customers (id, first_name, last_name, email, phone, account_number)
VALUES (%(id)s, 'Anna', 'Meadow', %(email)s, '+27 21 555 0100', %(number)s)
ON CONFLICT DO NOTHING
"""
INSERT_PAYMENT: LiteralString = """
INSERT INTO public.payment_transactions (id, transaction_id, reference, provider, amount, customer_id)
VALUES (%(id)s, %(text)s, %(text)s, 'netcash', 100, %(customer)s)
ON CONFLICT DO NOTHING
"""
EDITS: tuple[LiteralString, ...] = (
    "UPDATE public.customers SET last_name = 'Meadow' || %(variant)s::text WHERE id = %(id)s",
    "UPDATE public.customers SET email = %(email)s WHERE id = %(id)s",
    """UPDATE public.customers
       SET account_status = CASE %(variant)s WHEN 0 THEN 'active' WHEN 1 THEN 'cancelled' ELSE 'suspended' END
       WHERE id = %(id)s""",
    """UPDATE public.customers
       SET account_type = CASE %(variant)s WHEN 3 THEN 'internal_test' ELSE 'personal' END
       WHERE id = %(id)s""",
)
FLIP: LiteralString = """
UPDATE public.customers
SET last_name = CASE last_name WHEN 'Meadow' THEN 'Brook' ELSE 'Meadow' END
WHERE id = %(id)s
"""
SET_CUSTOMER_ID: LiteralString = "UPDATE public.customers SET zoho_billing_customer_id = %(zoho_id)s WHERE id = %(id)s"
SET_PAYMENT_ID: LiteralString = "UPDATE public.payment_transactions SET zoho_payment_id = %(zoho_id)s WHERE id = %(id)s"
REPLAY: LiteralString = "UPDATE public.zoho_outbox SET status = 'pending' WHERE id = %s"
REPLAY_BY_FUNCTION: LiteralString = "SELECT * FROM public.zoho_outbox_replay(%s)"
REPLAY_ENTITY: LiteralString = "SELECT * FROM public.zoho_outbox_replay_entity(%s, %s)"
SKIP: LiteralString = "SELECT * FROM public.zoho_outbox_skip(%s, %s)"


WEIGHTS: Mapping[str, int] = {
    "advance": 8,
    "finish": 5,
    "work": 5,
    "drive": 4,
    "settle": 4,
    "settle in steps": 3,
    "edit": 6,
    "flip": 2,
    "edit payment": 2,
    "insert payment": 2,
    "burst": 1,
    "insert": 1,
    "delete": 1,
    "late": 2,
    "hold": 2,
    "replay": 2,
    "replay entity": 1,
    "replay dead": 1,
    "skip": 3,
    "sync": 2,
    "set pending": 1,
    "set id": 3,
    "pause": 1,
    "mend": 2,
    "time": 5,
    "overtaken": 3,
    "crash": 2,
    "stop": 1,
    "continue": 3,
    "terminate": 1,
    "beat": 1,
    "admit": 1,
    "claim": 1,
    "claim in steps": 1,
    "read": 2,
    "maintain": 2,
    "rest": 4,
    "Zoho executes": 2,
}


@dataclass(frozen=True)
class Leaning:
    """What happens often. Everything else happens too."""

    weights: Mapping[str, int] = field(default_factory=dict)
    """Of steps, in place of the usual ones."""
    replies: Sequence[Reply] = (Reply.GOOD, Reply.GOOD, Reply.GOOD, *Reply)
    spans: Sequence[float] = (1.0, 6.0, 11.0, 31.0, 61.0, 130.0, 3700.0)

    @property
    def steps(self) -> list[str]:
        """Each as often as its weight."""
        return [what for what, weight in {**WEIGHTS, **self.weights}.items() for _ in range(weight)]


USUAL = Leaning()
LOST_CREATES = Leaning(
    weights={
        "edit": 2,
        "flip": 0,
        "work": 10,
        "finish": 15,
        "drive": 15,
        "settle": 10,
        "time": 12,
        "Zoho executes": 15,
        "insert payment": 15,
        "crash": 1,
        "overtaken": 1,
    },
    replies=(Reply.LOST_UNDONE, Reply.LOST_UNDONE, Reply.TIMED_OUT, Reply.LOST_DONE, Reply.GOOD),
    spans=(11.0, 11.0, 1.0, 31.0),
)
OVERTAKEN = Leaning(
    weights={"edit": 10, "overtaken": 10, "continue": 10, "time": 1, "pause": 0, "set id": 0, "delete": 0},
    replies=(Reply.GOOD,),
)
CRASHES = Leaning(
    weights={
        "edit": 2,
        "flip": 15,
        "advance": 15,
        "crash": 8,
        "time": 8,
        "maintain": 8,
        "drive": 8,
        "stop": 0,
        "overtaken": 0,
    },
    replies=(Reply.GOOD, Reply.LOST_DONE),
    spans=(130.0,),
)
CHILDREN = Leaning(
    weights={"insert payment": 15, "delete": 6, "insert": 6, "drive": 10, "finish": 8, "settle": 8, "pause": 0},
    replies=(Reply.GOOD,),
)
HANDS = Leaning(weights={"set id": 15, "edit": 12, "drive": 12, "late": 6, "hold": 8, "replay": 8, "insert": 4})
OPERATORS = Leaning(
    weights={
        "skip": 25,
        "hold": 12,
        "replay": 4,
        "replay entity": 4,
        "replay dead": 4,
        "sync": 12,
        "drive": 25,
        "edit": 12,
        "insert payment": 12,
        "delete": 4,
        "insert": 4,
        "time": 2,
        "set id": 1,
        "pause": 0,
        "flip": 0,
    },
    replies=(Reply.REFUSED, Reply.REFUSED, Reply.REFUSED, Reply.GOOD, Reply.LOST_DONE),
)


def nothing_but(replies: Sequence[Reply], spans: Sequence[float], **weights: int) -> Leaning:
    """The few steps that a certain misfortune takes; ``zoho_executes`` stands for "Zoho executes"."""
    named = {what.replace("zoho", "Zoho").replace("_", " "): weight for what, weight in weights.items()}
    return Leaning({**dict.fromkeys(WEIGHTS, 0), **named}, replies, spans)


LATE_CREATES = nothing_but(
    (Reply.LOST_UNDONE, Reply.LOST_UNDONE, Reply.GOOD),
    (11.0,),
    insert_payment=4,
    work=3,
    finish=4,
    settle=3,
    time=5,
    drive=4,
    zoho_executes=6,
)
LATE_UPDATES = nothing_but(
    (Reply.GOOD,),
    (1.0,),
    edit=2,
    flip=2,
    work=2,
    advance=4,
    overtaken=4,
    drive=2,
    settle=3,
    rest=1,
    **{"continue": 4},
)
SKIPPED_CHILDREN = nothing_but((Reply.GOOD,), (1.0,), insert_payment=4, insert=3, drive=6, hold=5, edit=1, maintain=1)
SKIPPED_IN_PARTS = nothing_but((Reply.REFUSED,), (1.0,), insert_payment=3, edit=4, burst=2, drive=6, admit=4, skip=6)
LEANINGS = {
    "usual": USUAL,
    "lost creates": LOST_CREATES,
    "overtaken": OVERTAKEN,
    "crashes": CRASHES,
    "children": CHILDREN,
    "hands": HANDS,
    "operators": OPERATORS,
}


def _type_of(entity_id: UUID) -> EntityType:
    return EntityType.CUSTOMER if entity_id in CUSTOMERS else EntityType.PAYMENT


def _leaning(choices: Callable[[Leaning], Sequence[Any]]) -> st.SearchStrategy[Any]:
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine.leaning)))


def mail(customer: UUID, number: int) -> str:
    """An address that only this customer has."""
    return f"anna{customer.int:x}.{number}@example.com"


class Machine(RuleBasedStateMachine):
    """A subclass names the ground and the store; see :func:`machine_on`."""

    ground: ClassVar[Ground]
    store_class: ClassVar[type[SteppedStore]]
    tally: ClassVar[Counter[str]]
    leaning: ClassVar[Leaning]

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world

    @initialize(
        replicas=st.integers(2, 3),
        unique_names=often,
        filters_mails=often,
        customers=st.integers(1, 2),
        sent=often,
        list_lag=st.sampled_from([0.0, 0.0, 8.0, 24.0]),
    )
    def begin(
        self,
        replicas: int,
        unique_names: bool,
        filters_mails: bool,
        customers: int,
        sent: bool,
        list_lag: float = 0.0,
    ) -> None:
        self.world = World(
            self.ground,
            self.store_class,
            replicas=replicas,
            unique_names=unique_names,
            filters_mails=filters_mails,
            list_lag=list_lag,
        )
        self.tally[f"{replicas} replicas"] += 1
        for customer in CUSTOMERS[:customers]:
            self._insert_customer(self.ground.app, customer)
        if sent:
            self.drive(0, Reply.GOOD)

    def _fired(self, name: str) -> None:
        self.tally[f"rule {name}"] += 1
        self.here.tell(f"    {name}")

    def _running(self) -> list[Replica]:
        return [replica for replica in self.here.replicas if not replica.stopped]

    def _replica(self, number: int) -> Replica:
        running = self._running()
        return running[number % len(running)]

    def _movable(self) -> list[Actor]:
        return [actor for replica in self._running() for actor in self.here.actors(replica) if actor.gate is not None]

    def _with_verdicts(self) -> list[tuple[Replica, Attempt]]:
        return [
            (replica, attempt)
            for replica in self._running()
            for attempt in replica.attempts
            if attempt.ended is not None and attempt.settling is None
        ]

    def _executable(self) -> list[Flight]:
        return [f for f in self.here.flights if not f.request.is_read and self.here.may_be_executed(f)]

    @rule(
        what=_leaning(lambda leaning: leaning.steps),
        who=which,
        number=index,
        kind=st.integers(0, len(EDITS) - 1),
        value=variant,
        reply=_leaning(lambda leaning: leaning.replies),
        seconds=_leaning(lambda leaning: leaning.spans),
        unusual=seldom,
    )
    def step(
        self, what: str, who: int, number: int, kind: int, value: int, reply: Reply, seconds: float, unusual: bool
    ) -> None:
        """Whatever happens next. One rule, because the engine switches whole rules off in most examples, and without
        some of these nothing moves. What cannot happen now makes room for the daemon's own progress."""
        running = bool(self._running())
        match what:
            case "edit":
                self.edit(who, kind, value)
            case "flip":
                self.flip(who)
            case "edit payment":
                self.edit_payment(kind, value + 1)
            case "insert payment":
                self.insert_payment(value, who)
            case "burst":
                self.burst(who, [value, kind, value])
            case "insert":
                self.insert_customer(who)
            case "delete":
                self.delete(who, kind)
            case "late":
                self.late(who, kind + unusual, value)
            case "hold":
                self.hold(number, unusual, skipping=value > 1)
            case "replay":
                self.replay(number, REPLAY if unusual else REPLAY_BY_FUNCTION)
            case "replay entity":
                self.replay_entity(number)
            case "replay dead":
                self.replay_dead(unusual)
            case "skip" if self._to_skip(number) is not None:
                self.skip(number)
            case "sync" if running:
                self.sync(number, value, force=unusual, in_steps=kind == 0)
            case "set pending":
                self.set_pending(who)
            case "set id":
                self.set_id(number, kind)
            case "pause" if unusual:
                self.pause()
            case "mend":
                self.ground.mend_organisation()
            case "admit" if running:
                self.admit(number, 1 if unusual else 100)
            case "claim" if running:
                self.claim(number, value + 1, unusual)
            case "claim in steps" if running:
                self.claim(number, value + 1, True)
            case "read" if running:
                self.read(number)
            case "maintain" if running:
                self.maintain(number)
            case "work" if running:
                self.work(number)
            case "drive" if running:
                self.drive(number, reply)
            case "settle" if self._with_verdicts():
                self.settle(number, all_of_it=not unusual, in_steps=False, answer_lost=unusual)
            case "settle in steps" if self._with_verdicts():
                self.settle(number, all_of_it=unusual, in_steps=True, answer_lost=unusual)
            case "Zoho executes" if self._executable():
                self.zoho_executes(number)
            case "time" if self.here.may_pass_time:
                self.pass_time(seconds)
            case "crash":
                self.crash(number)
            case "terminate" if running:
                self.terminate(number)
            case "stop" if running:
                self.stop(number, unusual)
            case "continue" if len(self._running()) < len(self.here.replicas):
                self.resume()
            case "overtaken" if self.here.may_pass_time and self._with_work():
                self.overtaken(number, unusual, value)
            case "rest":
                self.rest()
            case "beat":
                self.heartbeat(number)
            case "finish" if self._movable():
                self.advance(number, reply, 20, unusual)
            case _ if self._movable():
                self.advance(number, reply, kind * 2 + 1, unusual)
            case _ if self._with_verdicts():
                self.settle(number, all_of_it=True, in_steps=False, answer_lost=False)
            case _:
                # Nothing is under way: something new.
                self.ground.mend_organisation()
                self.insert_customer(who)
                self.edit(who, kind, value)
                if running:
                    self.work(number)

    def _insert_customer(self, connection: Connection, customer: UUID) -> None:
        connection.execute(
            INSERT_CUSTOMER,
            {"id": customer, "email": mail(customer, 0), "number": f"CT-2025-{customer.int:05}"},
        )

    def _insert_payment(self, connection: Connection, payment: UUID, customer: UUID) -> None:
        connection.execute(INSERT_PAYMENT, {"id": payment, "text": str(payment), "customer": customer})

    def _edit(self, connection: Connection, customer: UUID, kind: int, number: int) -> None:
        connection.execute(EDITS[kind], {"id": customer, "variant": number, "email": mail(customer, number)})

    def insert_customer(self, customer: int) -> None:
        """Also one that was deleted, with the same id."""
        self._fired("insert customer")
        with giving_up_on_locks(self.ground.app):
            self._insert_customer(self.ground.app, CUSTOMERS[customer])

    def insert_payment(self, payment: int, customer: int) -> None:
        self._fired("insert payment")
        with giving_up_on_locks(self.ground.app):
            self._insert_payment(self.ground.app, PAYMENTS[payment], CUSTOMERS[customer])

    def edit(self, customer: int, kind: int, number: int) -> None:
        self._fired("edit")
        with giving_up_on_locks(self.ground.app):
            self._edit(self.ground.app, CUSTOMERS[customer], kind, number)

    def flip(self, customer: int) -> None:
        """An edit, or if that was the last one, back to what was before."""
        self._fired("flip")
        with giving_up_on_locks(self.ground.app):
            self.ground.app.execute(FLIP, {"id": CUSTOMERS[customer]})

    def burst(self, customer: int, numbers: list[int]) -> None:
        self._fired("burst")
        with giving_up_on_locks(self.ground.app), self.ground.app.transaction():
            for number in numbers:
                self._edit(self.ground.app, CUSTOMERS[customer], 0, number)

    def edit_payment(self, payment: int, amount: int) -> None:
        self._fired("edit payment")
        with giving_up_on_locks(self.ground.app):
            self.ground.app.execute(
                "UPDATE public.payment_transactions SET amount = %s WHERE id = %s",
                [Decimal(100 * amount), PAYMENTS[payment]],
            )

    def delete(self, who: int, number: int) -> None:
        self._fired("delete")
        with giving_up_on_locks(self.ground.app):
            if number:
                self.ground.app.execute("DELETE FROM public.customers WHERE id = %s", [CUSTOMERS[who]])
            else:
                self.ground.app.execute("DELETE FROM public.payment_transactions WHERE id = %s", [PAYMENTS[who]])

    # Transactions that commit late, with lower ids and old reads; or never.

    def late(self, customer: int, kind: int, number: int) -> None:
        """An application's: begun, or if one stands open, ended."""
        late = self.ground.late
        if not late.autocommit:
            self._fired("late transaction: end")
            self._end(late, commit=number > 0)
            return
        self._fired("late transaction: begin")
        late.autocommit = False
        with giving_up_on_locks(late):
            if kind < len(EDITS):
                self._edit(late, CUSTOMERS[customer], kind, number)
            else:
                self._insert_payment(late, PAYMENTS[number], CUSTOMERS[customer])

    def _end(self, connection: Connection, commit: bool) -> None:
        if commit:
            connection.commit()
        else:
            connection.rollback()
        connection.autocommit = True

    # Operators.

    def replay(self, number: int, how: LiteralString) -> None:
        """Any entry, in whatever status."""
        entries = self.ground.entries()
        if entries:
            entry = entries[-1 - number % len(entries)]
            self._fired(f"replay {entry['status']}")
            with giving_up_on_locks(self.ground.operator):
                self.ground.operator.execute(how, [entry["id"]])

    def replay_entity(self, number: int) -> None:
        """Anything that was captured."""
        entities = [*CUSTOMERS, *PAYMENTS]
        entity_id = entities[number % len(entities)]
        if self.ground.entries(entity_id):
            self._fired("replay entity")
            replayed = self.ground.operator.execute(REPLAY_ENTITY, [_type_of(entity_id), entity_id]).fetchall()
            assert replayed, f"nothing of {entity_id} was replayed"

    def replay_dead(self, one_type: bool) -> None:
        self._fired("replay dead")
        self.ground.operator.execute(REPLAY_DEAD, [EntityType.CUSTOMER if one_type else None])

    def skip(self, number: int) -> None:
        """Mostly what can be set aside."""
        entry = self._to_skip(number)
        if entry is not None:
            self._fired(f"skip {entry['status']}")
            with giving_up_on_locks(self.ground.operator):
                self._skip(self.ground.operator, entry)

    def _to_skip(self, number: int) -> Row | None:
        entries = self.ground.entries()
        able = [entry for entry in entries if entry["status"] in ("dead", "waiting")]
        chosen = able or [entry for entry in entries if number == 0]
        return chosen[-1 - number % len(chosen)] if chosen else None

    def _skip(self, connection: Connection, entry: Row) -> bool:
        """Whether it was: it is refused for what is being sent, and for what is neither dead nor waiting."""
        entity = EntityType(entry["entity_type"]), entry["entity_id"]
        content = self.here.content(entity)
        try:
            connection.execute(SKIP, [entry["id"], f"why {entry['id']}"])
        except psycopg.errors.ObjectNotInPrerequisiteState:
            self.tally["rule skip, refused"] += 1
            return False
        except psycopg.errors.LockNotAvailable:
            self.tally["rule skip, refused for a lock"] += 1
            raise
        self.tally["rule skip, done"] += 1
        self.here.set_aside[entity] = content
        self.here.tell(f"set aside {entry['id']} of {entity[0]} {entity[1].int:x}")
        return True

    def hold(self, number: int, abandoned: bool, skipping: bool = False) -> None:
        """An operator's transaction holds an entry: begun, or if one stands open, ended."""
        held = self.ground.held
        if not held.autocommit:
            self._fired("held entry: end")
            self._release(commit=not abandoned)
            return
        entries = self.ground.entries()
        if not entries:
            return
        entry = entries[-1 - number % len(entries)]
        if skipping:
            entry = self._to_skip(number) or entry
        self._fired(f"hold {'by skipping' if skipping else entry['status']}")
        held.autocommit = False
        try:
            with giving_up_on_locks(held):
                if not skipping:
                    held.execute(REPLAY, [entry["id"]])
                    self.here.ever_held.add(entry["id"])
                elif self._skip(held, entry):
                    # With its state row, and with all that the same attempt carried.
                    self.here.state_held = self.here.unswept = True
                    self.here.ever_held.update(row["id"] for row in self.ground.entries(entry["entity_id"]))
        finally:
            if held.info.transaction_status != TransactionStatus.INTRANS:
                self._release(commit=False)

    def _release(self, *, commit: bool) -> None:
        self._end(self.ground.held, commit=commit)
        self.here.state_held = False

    def set_pending(self, customer: int) -> None:
        self._fired("set pending")
        with giving_up_on_locks(self.ground.app):
            self.ground.app.execute(
                "UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = %s", [CUSTOMERS[customer]]
            )

    def set_id(self, number: int, chosen: int) -> None:
        """By another hand."""
        kind = ("cleared", "own", "another's", "unknown")[chosen]
        self._fired(f"id {kind}")
        customer = number < 4
        entity_id = (CUSTOMERS if customer else PAYMENTS)[number % 2]
        other_id = (CUSTOMERS if customer else PAYMENTS)[1 - number % 2]
        module = EntityType.CUSTOMER if customer else EntityType.PAYMENT
        zoho_id: str | None = None
        match kind:
            case "own":
                zoho_id = next(iter(self.here.zoho.of(module, str(entity_id))), None)
            case "another's":
                zoho_id = next(iter(self.here.zoho.of(module, str(other_id))), None)
            case "unknown":
                zoho_id = "469999"
            case _:
                pass
        with giving_up_on_locks(self.ground.app):
            self.ground.app.execute(
                SET_CUSTOMER_ID if customer else SET_PAYMENT_ID, {"zoho_id": zoho_id, "id": entity_id}
            )

    def pause(self) -> None:
        self._fired("pause")
        self.ground.operator.execute("SELECT public.zoho_outbox_pause('why')")

    # The daemon.

    def admit(self, replica: int, batch: int) -> None:
        self._fired("admit")
        self.here.admit(self._replica(replica), batch)

    def claim(self, replica: int, batch: int, in_steps: bool) -> None:
        chosen = self._replica(replica)
        if chosen.claiming is None or chosen.claiming.done:
            self._fired("claim")
            self.here.claim(chosen, batch, in_steps=in_steps)

    def sync(self, replica: int, which: int, *, force: bool, in_steps: bool) -> None:
        """A person's command."""
        entity_id = [*CUSTOMERS, *PAYMENTS[:2]][which]
        chosen = self._replica(replica)
        if (chosen.claiming is None or chosen.claiming.done) and self._known(entity_id):
            self._fired("sync")
            self.here.claim_one(chosen, (_type_of(entity_id), entity_id), force=force, in_steps=in_steps)

    def _known(self, entity_id: UUID) -> bool:
        return bool(self.ground.entries(entity_id)) or entity_id in self.ground.host_rows(_type_of(entity_id))

    def read(self, replica: int) -> None:
        self._fired("read")
        self.here.read(self._replica(replica))

    def work(self, replica: int) -> None:
        """Admission, claim and read: as the dispatcher does, nobody in between."""
        chosen = self._replica(replica)
        if chosen.claiming is None or chosen.claiming.done:
            self._fired("work")
            self.here.admit(chosen)
            self.here.claim(chosen, 4)
            self.here.read(chosen)

    def drive(self, replica: int, reply: Reply) -> None:
        """A whole cycle: all that is due is claimed, sent and settled; the first write ends as ``reply`` says."""
        chosen = self._replica(replica)
        self.work(replica)
        for actor in self.here.actors(chosen):
            while actor.gate is not None:
                answer: str = GO
                if actor.gate.name == "flight" and not actor.gate.what.request.is_read:
                    answer, reply = reply, Reply.GOOD
                self.here.advance(actor, answer)
        self.here.settle(chosen, chosen.attempts, in_steps=False, answer_lost=False)

    def advance(self, actor: int, reply: Reply, steps: int, gone: bool) -> None:
        """Somebody moves some gates further; requests on the way end as ``reply`` says, the first of them only."""
        self._fired("advance")
        movable = self._movable()
        chosen = movable[actor % len(movable)]
        for _ in range(steps):
            if chosen.gate is None:
                return
            answer = GO
            if chosen.gate.name == "flight":
                answer, reply = reply, Reply.GOOD
            elif chosen.gate.name in ("intent", "intent committed") and gone:
                answer, gone = DATABASE_GONE, False
            self.here.advance(chosen, answer)

    def settle(self, number: int, all_of_it: bool, in_steps: bool, answer_lost: bool) -> None:
        self._fired("settle")
        found = self._with_verdicts()
        replica, attempt = found[number % len(found)]
        batch = [a for r, a in found if r is replica] if all_of_it else [attempt]
        self.here.settle(replica, batch, in_steps=in_steps, answer_lost=answer_lost)

    def maintain(self, replica: int) -> None:
        self._fired("maintain")
        self.here.reclaim(self._replica(replica))
        self.here.sweep(self._replica(replica))

    def zoho_executes(self, number: int) -> None:
        self._fired("Zoho executes")
        found = self._executable()
        self.here.execute(found[number % len(found)])

    # Misfortune.

    def pass_time(self, seconds: float) -> None:
        self._fired(f"pass {seconds:g} s")
        self.here.pass_time(seconds)

    def crash(self, replica: int) -> None:
        self._fired("crash")
        self.here.crash(self.here.replicas[replica % len(self.here.replicas)])

    def terminate(self, replica: int) -> None:
        self._fired("terminate")
        self.here.terminate(self._replica(replica))

    def stop(self, replica: int, frozen: bool) -> None:
        self._fired("freeze" if frozen else "stop")
        self.here.stop(self._replica(replica), frozen=frozen)

    def overtaken(self, replica: int, frozen: bool, other: int) -> None:
        """Somebody who holds a claim is stopped until somebody else has taken it over, and perhaps ended it."""
        self._fired("overtaken")
        found = self._with_work()
        self.here.stop(found[replica % len(found)], frozen=frozen)
        if not self.here.may_pass_time:
            return
        self.here.pass_time(130.0)
        if self._running():
            self.here.reclaim(self._replica(other))
            if other == 1:
                self.work(other)
            elif other != 3:
                self.edit(replica % 2, 0, other)
                self.drive(other, Reply.GOOD)

    def rest(self) -> None:
        """Everything comes to rest, is judged, and goes on from there: later events would cover earlier wrongs."""
        self._fired("rest")
        self._end(self.ground.late, commit=False)
        self._release(commit=False)
        self.here.come_to_rest()

    def _with_work(self) -> list[Replica]:
        return [replica for replica in self._running() if replica.attempts]

    def resume(self) -> None:
        self._fired("continue")
        for replica in self.here.replicas:
            self.here.resume(replica)

    def heartbeat(self, replica: int) -> None:
        """Is cut off from the database, or reaches it again."""
        chosen = self.here.replicas[replica % len(self.here.replicas)]
        chosen.beats = not chosen.beats
        self._fired("heartbeat on" if chosen.beats else "heartbeat off")

    @invariant()
    def promises_are_kept(self) -> None:
        if self.world is not None:
            self.tally["steps"] += 1
            self.world.check()

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self.tally["examples"] += 1
            if sys.exc_info()[0] is None:
                # Otherwise a step has failed already, and this comes on the way out.
                self.rest()
        finally:
            self.world.close()
            self.tally.update(self.world.seen)
            self.tally["records that a list did not show yet"] += self.world.zoho.unlisted
            for connection in (self.ground.late, self.ground.held):
                self._end(connection, commit=False)


def machine_on(
    ground: Ground,
    tally: Counter[str],
    store_class: type[SteppedStore] = SteppedStore,
    leaning: Leaning = USUAL,
) -> type[Machine]:
    """The machine on this ground; ``tally`` counts what it did."""
    members = {"ground": ground, "store_class": store_class, "tally": tally, "leaning": leaning}
    return type("Machine", (Machine,), members)
