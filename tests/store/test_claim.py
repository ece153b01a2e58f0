"""Claim and renewal: one holder an entity, most urgent first, attempts counted before anything is sent."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

import anyio
import anyio.lowlevel
import anyio.to_thread
import psycopg
import pytest

from outbox.clock import ManualClock
from outbox.database import Database
from outbox.store import verdicts
from outbox.store.protocol import ForeignDatabase, OutboxStore
from outbox.vocabulary import Change, EntityType, Origin, Outcome, Urgency
from tests.store.conftest import LEASE_SECONDS, claim_all, claim_one
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_a_claim_counts_the_attempt_and_stamps_the_entries(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    host.change_customer(customer, phone="1")
    claim = await claim_one(store)
    assert claim.attempts == 1
    assert [(row["status"], row["attempts"]) for row in host.entries(customer)] == [("processing", 1)] * 2
    state = host.state(customer)
    assert state["phase"] == "leased"
    assert state["lease_token"] == claim.lease.token
    assert state["lease_session"] == store.session


async def test_processing_is_never_shown_in_the_host_row(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    before = host.customer(customer)
    await claim_one(store)
    assert host.customer(customer) == before


async def test_the_most_urgent_is_claimed_first_and_then_the_longest_due(host: Host, store: OutboxStore) -> None:
    backfilled, first, second = host.add_customers(3)
    host.interfere("ALTER TABLE public.zoho_outbox DISABLE TRIGGER USER")
    host.interfere("DELETE FROM public.zoho_outbox WHERE entity_id = %s", [backfilled])
    host.interfere("ALTER TABLE public.zoho_outbox ENABLE TRIGGER USER")
    await store.enqueue(
        [(EntityType.CUSTOMER, backfilled)], change=Change.UPDATED, origin=Origin.BACKFILL, urgency=Urgency.BACKFILL
    )
    await store.admit(100)
    host.pass_time(first, 10)
    claimed = [(await store.claim(1, Urgency.RECONCILE))[0].entity_id for _ in range(3)]
    assert claimed == [first, second, backfilled]


async def test_nothing_less_urgent_than_asked_for_is_claimed(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([_retried(await claim_one(store), seconds=0)])
    await store.promote()
    assert host.state(customer)["urgency"] == Urgency.RETRY
    assert await store.claim(1, Urgency.LIVE) == []
    assert len(await store.claim(1, Urgency.RETRY)) == 1


async def test_many_claimers_at_once_never_hold_the_same_entity(
    host: Host, new_store: Callable[[], OutboxStore]
) -> None:
    customers = host.add_customers(120)
    await new_store().admit(1000)
    holders: Counter[UUID] = Counter()

    async def claim() -> None:
        store = new_store()
        while claims := await store.claim(3, Urgency.RECONCILE):
            holders.update(claim.entity_id for claim in claims)

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(claim)
    assert holders == Counter(customers)


async def test_claimers_and_writers_at_once_leave_no_entry_behind_and_never_overlap(
    host: Host, new_store: Callable[[], OutboxStore]
) -> None:
    customers = host.add_customers(8)
    at_work: set[UUID] = set()
    overlaps: list[UUID] = []
    writing = True

    def change_all(number: int) -> None:
        for customer in customers:
            host.change_customer(customer, phone=str(number))

    async def write() -> None:
        nonlocal writing
        for number in range(25):
            await anyio.to_thread.run_sync(change_all, number)
        writing = False

    async def work() -> None:
        store = new_store()
        while writing or host.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL"):
            for claim in await claim_all(store, batch=2):
                if claim.entity_id in at_work:
                    overlaps.append(claim.entity_id)
                at_work.add(claim.entity_id)
                await anyio.lowlevel.checkpoint()
                at_work.discard(claim.entity_id)
                await store.settle([verdicts.skipped(claim, "test", read_zoho_id=None)])

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            for _ in range(3):
                tasks.start_soon(work)
    assert overlaps == []
    assert host.rows("SELECT phase FROM zoho_outbox_private.entity_state WHERE phase <> 'idle'") == []


async def test_a_state_row_that_another_transaction_holds_is_passed_over(host: Host, store: OutboxStore) -> None:
    customer, other = host.add_customers(2)
    await store.admit(100)
    with host.transaction("postgres") as holder:
        holder.execute("SELECT FROM zoho_outbox_private.entity_state WHERE entity_id = %s FOR UPDATE", [customer])
        with anyio.fail_after(5):
            (claim,) = await store.claim(10, Urgency.RECONCILE)
        assert claim.entity_id == other


async def test_an_open_application_transaction_on_the_host_row_holds_nothing_up(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    with host.transaction() as application:
        host.change_customer(customer, connection=application, phone="1")
        with anyio.fail_after(5):
            claim = await claim_one(store)
        assert claim.entries == 1
    await store.settle([verdicts.released(claim)])
    assert (await claim_one(store)).entries == 2


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_an_entry_that_an_operators_open_transaction_holds_is_not_left_behind(
    host: Host, store: OutboxStore, ending: str
) -> None:
    customer = host.add_customer()
    await store.admit(100)
    with host.transaction("finance_operator") as operator:
        operator.execute("UPDATE public.zoho_outbox SET status = 'pending' WHERE entity_id = %s", [customer])
        with anyio.fail_after(5):
            (claim,) = await store.claim(10, Urgency.RECONCILE)
        assert claim.entries == 0
        await store.settle([verdicts.nothing_left(claim)])
        getattr(operator, ending)()
    await _ends_as(host, store, customer, ("done", "sent"))


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_one_of_two_entries_that_an_operator_holds_is_not_left_behind(
    host: Host, store: OutboxStore, ending: str
) -> None:
    customer = host.add_customer()
    host.change_customer(customer, phone="1")
    await store.admit(100)
    newest = host.entries(customer)[1]["id"]
    with host.transaction("finance_operator") as operator:
        operator.execute("UPDATE public.zoho_outbox SET status = 'pending' WHERE id = %s", [newest])
        (claim,) = await store.claim(10, Urgency.RECONCILE)
        assert claim.entries == 1
        await store.settle([_sent(claim)])
        getattr(operator, ending)()
    await _ends_as(host, store, customer, ("done", "sent"))


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.parametrize("kind", ["done", "dead"])
async def test_an_entry_that_is_held_during_settlement_is_not_left_processing(
    host: Host, store: OutboxStore, kind: str, ending: str
) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    with host.transaction("finance_operator") as operator:
        operator.execute("SELECT FROM public.zoho_outbox WHERE entity_id = %s FOR UPDATE", [customer])
        verdict = _sent(claim) if kind == "done" else verdicts.dead(claim, "no", zoho_id=None, read_zoho_id=None)
        with anyio.fail_after(5):
            settlement = await store.settle([verdict])
        assert settlement.accepted == (verdict,)
        getattr(operator, ending)()
    await _ends_as(host, store, customer, ("done", "sent"))


async def test_a_renewal_prolongs_the_lease_on_both_clocks(host: Host, store: OutboxStore, clock: ManualClock) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    before = host.state(customer)["lease_until"]
    clock.advance(20)
    await store.renew([claim])
    assert claim.lease.good_until == clock.monotonic() + LEASE_SECONDS
    assert host.state(customer)["lease_until"] > before


async def test_a_spent_lease_may_not_send(host: Host, store: OutboxStore, clock: ManualClock) -> None:
    host.add_customer()
    claim = await claim_one(store)
    assert claim.lease.may_send(clock.monotonic(), LEASE_SECONDS - 1)
    assert not claim.lease.may_send(clock.monotonic(), LEASE_SECONDS)
    clock.advance(31)
    assert not claim.lease.may_send(clock.monotonic(), 30)


async def test_the_wall_clock_means_nothing_to_a_lease(host: Host, store: OutboxStore, clock: ManualClock) -> None:
    host.add_customer()
    claim = await claim_one(store)
    clock.jump_wall(3600)
    assert claim.lease.may_send(clock.monotonic(), 30)


async def test_a_lease_that_was_taken_over_is_marked_lost_by_its_renewal(
    host: Host, store: OutboxStore, new_store: Callable[[], OutboxStore], clock: ManualClock
) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    host.pass_time(customer, LEASE_SECONDS + 1)
    successor = new_store()
    await successor.reclaim()
    successors = await claim_one(successor)
    await store.renew([claim])
    assert claim.lease.lost
    assert not claim.lease.may_send(clock.monotonic(), 1)
    assert host.state(customer)["lease_token"] == successors.lease.token


async def test_an_intent_is_refused_without_the_lease(
    host: Host, store: OutboxStore, new_store: Callable[[], OutboxStore]
) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    host.pass_time(customer, LEASE_SECONDS + 1)
    assert not await store.commit_intent(claim, "anna@example.com")
    await new_store().reclaim()
    await claim_one(new_store())
    assert not await store.commit_intent(claim, "anna@example.com")
    assert host.state(customer)["intents"] == 0


async def test_an_intent_makes_the_fate_unknown_and_remembers_what_to_look_for(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    for key in ("a@example.com", "b@example.com", "a@example.com"):
        assert await store.commit_intent(claim, key)
    state = host.state(customer)
    assert (state["intents"], state["intent_keys"]) == (3, ["a@example.com", "b@example.com"])
    assert state["fate_unknown_at"] is not None


async def test_a_claim_in_another_database_is_refused_and_leases_nothing(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.admit(100)
    host.interfere("UPDATE zoho_outbox_private.installation SET system_identifier = '1'")
    with pytest.raises(ForeignDatabase):
        await store.claim(10, Urgency.RECONCILE)
    assert host.state(customer)["phase"] == "ready"


async def test_a_claim_on_another_timeline_looks_first(host: Host, store: OutboxStore) -> None:
    host.add_customer()
    host.interfere("UPDATE zoho_outbox_private.installation SET timeline = timeline + 1")
    assert (await claim_one(store)).look_first


async def test_a_failed_claim_leases_nothing(host: Host, store: OutboxStore, database: Database) -> None:
    customer = host.add_customer()
    await store.admit(100)
    host.interfere("REVOKE UPDATE ON public.zoho_outbox FROM zoho_outbox_daemon")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await store.claim(10, Urgency.RECONCILE)
    assert host.state(customer)["phase"] == "ready"


async def _ends_as(host: Host, store: OutboxStore, customer: UUID, newest: tuple[str, str]) -> None:
    """What is left of the entity is found again within a few seconds, and no entry stays open."""
    host.pass_time(customer, 10)
    while claims := await claim_all(store):
        await store.settle([_sent(claim) if claim.entries else verdicts.nothing_left(claim) for claim in claims])
        host.pass_time(customer, 10)
    assert [row for row in host.entries(customer) if row["finished_at"] is None] == []
    assert host.statuses(customer)[-1] == newest
    assert host.state(customer)["phase"] == "idle"


def _sent(claim: verdicts.Claim) -> verdicts.Verdict:
    return verdicts.done(claim, Outcome.SENT, zoho_id="46", read_zoho_id=None, sent_hash="x:active")


def _retried(claim: verdicts.Claim, seconds: float) -> verdicts.Verdict:
    return verdicts.retried(claim, "not now", seconds=seconds, zoho_id=None, read_zoho_id=None, sent_hash=None)
