"""Take-over of expired leases, and the wake-up of those who wait."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from outbox.store import verdicts
from outbox.store.protocol import OutboxStore
from outbox.vocabulary import Awaited, EntityType, Outcome, Phase, Urgency
from tests.store.conftest import LEASE_SECONDS, claim_all, claim_one
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_an_expired_lease_is_taken_over_and_its_attempt_recorded(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    host.pass_time(customer, LEASE_SECONDS + 1)
    (taken,) = await store.reclaim()
    assert (taken["entity_id"], taken["lease_session"]) == (customer, store.session)
    state = host.state(customer)
    assert (state["phase"], state["attempts"], state["lease_token"]) == ("ready", 1, None)
    assert host.entry(customer)["status"] == "pending"
    (log,) = host.logs(customer)
    assert (log["status"], log["attempt_number"], log["failure_class"], log["zoho_entity_type"]) == (
        "retrying",
        1,
        "transient",
        "Contacts",
    )
    assert log["error_message"].startswith("fate unknown, daemon died")
    again = await claim_one(store)
    assert (again.attempts, again.entries) == (2, 1)
    assert again.lease.token != claim.lease.token


async def test_a_create_that_had_left_is_recorded_as_ambiguous_and_stays_unknown(
    host: Host, store: OutboxStore
) -> None:
    customer = host.add_customer()
    await store.commit_intent(await claim_one(store), "a@example.com")
    host.pass_time(customer, LEASE_SECONDS + 1)
    await store.reclaim()
    (log,) = host.logs(customer)
    assert log["failure_class"] == "ambiguous"
    assert "looked for before" in log["error_message"]
    assert (await claim_one(store)).fate_unknown_seconds is not None


async def test_what_was_in_hand_of_a_dead_process_is_marked_until_something_was_tried(
    host: Host, store: OutboxStore
) -> None:
    customer = host.add_customer()
    assert not (await claim_one(store)).taken_over
    host.pass_time(customer, 1000)
    await store.reclaim()
    claim = await claim_one(store)
    assert claim.taken_over
    # Given back untried: it may be what killed the process, still.
    await store.settle([verdicts.released(claim)])
    claim = await claim_one(store)
    assert claim.taken_over
    retried = verdicts.retried(claim, "no", seconds=1, zoho_id=None, read_zoho_id=None, sent_hash=None)
    await store.settle([retried])
    host.pass_time(customer, 10)
    assert not (await claim_one(store)).taken_over


async def test_a_lease_that_ends_later_than_any_lease_can_is_taken_over_and_its_fate_counted_from_now(
    host: Host, store: OutboxStore
) -> None:
    """The wall clock was put back an hour (failures.md, 21)."""
    customer = host.add_customer()
    await store.commit_intent(await claim_one(store), "CT-1")
    host.pass_time(customer, -3600)
    assert [row["entity_id"] for row in await store.reclaim()] == [customer]
    claim = await claim_one(store)
    assert claim.fate_unknown_seconds is not None
    assert 0 <= claim.fate_unknown_seconds < 60


async def test_the_longer_lease_of_a_process_with_other_settings_is_left_alone(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await claim_one(store)
    host.interfere(
        """
        UPDATE zoho_outbox_private.entity_state
        SET lease_until = clock_timestamp() + interval '1 hour'
        WHERE entity_id = %s
        """,
        [customer],
    )
    assert await store.reclaim() == []


async def test_a_live_lease_is_left_alone(host: Host, store: OutboxStore) -> None:
    host.add_customer()
    await claim_one(store)
    assert await store.reclaim() == []


async def test_what_arrived_meanwhile_is_taken_along(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await claim_one(store)
    host.change_customer(customer, phone="1")
    await store.admit(100)
    host.pass_time(customer, LEASE_SECONDS + 1)
    await store.reclaim()
    assert (await claim_one(store)).entries == 2


@pytest.mark.parametrize(
    "sabotage",
    [
        "REVOKE INSERT ON public.zoho_sync_logs FROM zoho_outbox_daemon",
        "ALTER TABLE public.zoho_sync_logs ADD CONSTRAINT nothing CHECK (false) NOT VALID",
    ],
    ids=["right revoked", "constraint"],
)
async def test_it_does_not_depend_on_the_log(host: Host, store: OutboxStore, sabotage: str) -> None:
    customer = host.add_customer()
    await claim_one(store)
    host.interfere(sabotage)
    host.pass_time(customer, LEASE_SECONDS + 1)
    assert len(await store.reclaim()) == 1
    assert host.state(customer)["phase"] == "ready"


async def test_an_entry_that_an_operator_holds_is_found_by_the_next_claim(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await claim_one(store)
    host.pass_time(customer, LEASE_SECONDS + 1)
    with host.transaction("finance_operator") as operator:
        operator.execute("SELECT FROM public.zoho_outbox WHERE entity_id = %s FOR UPDATE", [customer])
        await store.reclaim()
        operator.rollback()
    assert (await claim_one(store)).entries == 1


class TestWaking:
    async def test_a_parents_settlement_wakes_its_children(self, host: Host, store: OutboxStore) -> None:
        parent = host.add_customer()
        child, stranger = _waiting_child(host, parent), _waiting_child(host, uuid4())
        claims = await claim_all(store)
        await store.settle([_done(claims[0])])
        assert host.state(child)["phase"] == Phase.READY
        assert host.state(stranger)["phase"] == Phase.WAITING

    async def test_a_parent_that_fails_wakes_its_children_once_to_say_so(self, host: Host, store: OutboxStore) -> None:
        parent = host.add_customer()
        child = _waiting_child(host, parent)
        await store.settle([verdicts.dead(await claim_one(store), "no", zoho_id=None, read_zoho_id=None)])
        assert host.state(child)["phase"] == Phase.READY
        host.interfere(
            "UPDATE zoho_outbox_private.entity_state SET phase = 'waiting', waits_for_type = 'customer', "
            "waits_for_id = %s, waits_for_dead = true WHERE entity_id = %s",
            [parent, child],
        )
        assert await store.wake(None) == 0

    async def test_a_child_that_begins_to_wait_after_its_parent_was_done_wakes_itself(
        self, host: Host, store: OutboxStore
    ) -> None:
        parent, child = host.add_customers(2)
        claims = {claim.entity_id: claim for claim in await claim_all(store)}
        await store.settle([_done(claims[parent])])
        verdict = verdicts.waiting(
            claims[child], verdicts.Wait(Awaited.CUSTOMER, parent), "customer 1", read_zoho_id=None
        )
        await store.settle([verdict])
        assert host.state(child)["phase"] == Phase.READY

    async def test_parent_and_child_in_one_batch(self, host: Host, store: OutboxStore) -> None:
        parent, child = host.add_customers(2)
        claims = {claim.entity_id: claim for claim in await claim_all(store)}
        verdict = verdicts.waiting(
            claims[child], verdicts.Wait(Awaited.CUSTOMER, parent), "customer 1", read_zoho_id=None
        )
        await store.settle([verdict, _done(claims[parent])])
        assert host.state(child)["phase"] == Phase.READY

    async def test_a_prerequisite_that_nobody_enqueued_is_enqueued_though_the_process_dies_right_after(
        self, host: Host, store: OutboxStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(OutboxStore, "_wake_after", _dies)
        parent, child = uuid4(), host.add_customer()
        wait = verdicts.Wait(Awaited.INVOICE, parent)
        with pytest.raises(InterruptedError):
            await store.settle([verdicts.waiting(await claim_one(store), wait, "invoice 1", read_zoho_id=None)])
        assert host.state(child)["phase"] == Phase.WAITING
        entry = host.entry(parent)
        assert (entry["entity_type"], entry["change"], entry["origin"], entry["priority"]) == (
            "invoice",
            "related",
            "child",
            Urgency.LIVE,
        )

    async def test_one_that_is_known_is_not_enqueued_again(self, host: Host, store: OutboxStore) -> None:
        parent, child = host.add_customers(2)
        claims = {claim.entity_id: claim for claim in await claim_all(store)}
        wait = verdicts.Wait(Awaited.CUSTOMER, parent)
        await store.settle([verdicts.waiting(claims[child], wait, "customer 1", read_zoho_id=None)])
        assert len(host.entries(parent)) == 1

    async def test_what_an_end_unblocks_is_enqueued_once_though_the_process_dies_right_after(
        self, host: Host, store: OutboxStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(OutboxStore, "_wake_after", _dies)
        other = uuid4()
        host.add_customers(2)
        ends = [
            verdicts.done(
                claim,
                Outcome.SENT,
                zoho_id=str(number),
                read_zoho_id=None,
                sent_hash="x:active",
                unblocks=[(EntityType.INVOICE, other)],
            )
            for number, claim in enumerate(await claim_all(store))
        ]
        with pytest.raises(InterruptedError):
            await store.settle(ends)
        entry = host.entry(other)
        assert (entry["entity_type"], entry["change"], entry["origin"]) == ("invoice", "related", "child")

    async def test_a_refused_settlement_enqueues_nothing_for_others(self, host: Host, store: OutboxStore) -> None:
        customer, other = host.add_customer(), uuid4()
        claim = await claim_one(store)
        host.pass_time(customer, 1000)
        await store.reclaim()
        verdict = replace(_done(claim), unblocks=((EntityType.INVOICE, other),))
        assert (await store.settle([verdict])).refused
        assert host.entries(other) == []

    async def test_the_sweep_wakes_whom_a_crash_forgot(self, host: Host, store: OutboxStore) -> None:
        parent = host.add_customer()
        await store.settle([_done(await claim_one(store))])
        child = _waiting_child(host, parent)
        assert await store.wake(None) == 1
        assert host.state(child)["phase"] == Phase.READY
        assert await store.wake(None) == 0

    async def test_the_sweep_wakes_a_child_that_was_claimed_while_its_parent_was_being_settled(
        self, host: Host, store: OutboxStore
    ) -> None:
        """The settlement stamps its moment before it commits: the child saw the parent leased, and claimed later."""
        parent = host.add_customer()
        await store.settle([verdicts.skipped(await claim_one(store), "draft", read_zoho_id=None)])
        child = _waiting_child(host, parent)
        host.interfere(
            "UPDATE zoho_outbox_private.entity_state SET due_at = clock_timestamp() WHERE entity_id = %s", [child]
        )
        assert await store.wake([parent]) == 0
        assert await store.wake(None) == 1

    async def test_an_edit_of_a_waiting_row_looks_again(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        verdict = verdicts.waiting(
            claim, verdicts.Wait(Awaited.CUSTOMER, uuid4(), enqueue=False), "customer 1", read_zoho_id=None
        )
        await store.settle([verdict])
        host.change_customer(customer, phone="1")
        assert (await claim_one(store)).entries == 2

    async def test_waiting_does_not_enqueue_itself(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        assert host.shown(customer)[0] == "pending"
        claim = await claim_one(store)
        verdict = verdicts.waiting(
            claim, verdicts.Wait(Awaited.CUSTOMER, uuid4(), enqueue=False), "customer 1", read_zoho_id=None
        )
        await store.settle([verdict])
        assert len(host.entries(customer)) == 1

    async def test_a_deferred_notice_of_waiting_does_not_enqueue_itself(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        verdict = verdicts.waiting(
            claim, verdicts.Wait(Awaited.CUSTOMER, uuid4(), enqueue=False), "customer 1", read_zoho_id=None
        )
        with host.transaction() as application:
            application.execute("UPDATE public.customers SET updated_at = now() WHERE id = %s", [customer])
            await store.settle([verdict])
        host.pass_time(customer, 10)
        await store.write_back()
        assert host.shown(customer) == ("pending", "waiting for customer 1")
        assert len(host.entries(customer)) == 1


async def _dies(*_: object) -> None:
    """The process ends when its settlement is committed."""
    raise InterruptedError


def _waiting_child(host: Host, parent: UUID) -> UUID:
    """A subscription that waits; its type is not sent yet."""
    child = uuid4()
    host.interfere(
        "INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, phase, waits_for_type, waits_for_id)"
        " VALUES (%s, 'subscription', 'waiting', 'customer', %s)",
        [child, parent],
    )
    return child


def _done(claim: verdicts.Claim) -> verdicts.Verdict:
    return verdicts.done(claim, Outcome.SENT, zoho_id="46", read_zoho_id=None, sent_hash="x:active")


class TestOwner:
    async def test_the_owner_of_a_record_is_known(
        self, host: Host, store: OutboxStore, new_store: Callable[[], OutboxStore]
    ) -> None:
        customer = host.add_customer()
        await store.settle([_done(await claim_one(store))])
        assert await new_store().owner_of(EntityType.CUSTOMER, "46") == customer
        assert await store.owner_of(EntityType.CUSTOMER, "47") is None
        assert await store.owner_of(EntityType.INVOICE, "46") is None
