"""Admission: new entries are folded into state rows, and nobody is waited for."""

from uuid import UUID, uuid4

import anyio
import pytest

from outbox.store import verdicts
from outbox.store.protocol import BULK_THRESHOLD, NEWEST_ADMITTED, OutboxStore
from outbox.vocabulary import Change, EntityType, LogStatus, Origin, Phase, Urgency
from tests.store.conftest import claim_all, claim_one
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_a_committed_row_becomes_ready(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    assert await store.admit(100) == 1
    state = host.state(customer)
    assert (state["phase"], state["urgency"], state["born_here"], state["attempts"]) == ("ready", 10, True, 0)
    assert host.entry(customer)["admitted"]


async def test_an_uncommitted_row_is_not_seen(host: Host, store: OutboxStore) -> None:
    with host.transaction() as application:
        host.add_customer(connection=application)
        assert await store.admit(100) == 0
    assert await store.admit(100) == 1


async def test_many_entries_of_one_entity_fold_into_one_state_row(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    for phone in ("1", "2", "3"):
        host.change_customer(customer, phone=phone)
    assert await store.admit(100) == 4
    claim = await claim_one(store)
    assert claim.entries == 4
    assert claim.newest_entry == max(row["id"] for row in host.entries(customer))


async def test_a_row_that_was_there_before_is_not_born_here(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    host.interfere("ALTER TABLE public.zoho_outbox DISABLE TRIGGER USER")
    host.interfere("DELETE FROM public.zoho_outbox")
    host.interfere("ALTER TABLE public.zoho_outbox ENABLE TRIGGER USER")
    host.change_customer(customer, phone="1")
    assert not (await claim_one(store)).born_here


async def test_the_oldest_and_the_newest_are_taken(host: Host, store: OutboxStore) -> None:
    customers = host.add_customers(NEWEST_ADMITTED + 10)
    assert await store.admit(5) == NEWEST_ADMITTED + 5
    left = host.rows("SELECT entity_id FROM public.zoho_outbox WHERE NOT admitted ORDER BY id")
    assert [row["entity_id"] for row in left] == customers[5:10]


async def test_hundreds_of_one_transaction_are_bulk_and_a_single_edit_goes_before_them(
    host: Host, store: OutboxStore
) -> None:
    with host.transaction() as application:
        for number in range(BULK_THRESHOLD + 1):
            host.add_customer(number, connection=application)
    edited = host.add_customer(900)
    await store.admit(1000)
    urgencies = host.rows("SELECT urgency, count(*) AS n FROM zoho_outbox_private.entity_state GROUP BY 1 ORDER BY 1")
    assert [(row["urgency"], row["n"]) for row in urgencies] == [(Urgency.LIVE, 1), (Urgency.BULK, BULK_THRESHOLD + 1)]
    (first,) = await store.claim(1, Urgency.RECONCILE)
    assert first.entity_id == edited


async def test_a_live_change_that_failed_once_goes_before_an_import_that_came_meanwhile(
    host: Host, store: OutboxStore
) -> None:
    failed = host.add_customer(900)
    await store.settle([_retried(await claim_one(store), seconds=0)])
    with host.transaction() as application:
        for number in range(BULK_THRESHOLD + 1):
            host.add_customer(number, connection=application)
    await store.admit(1000)
    await store.promote()
    (first,) = await store.claim(1, Urgency.RECONCILE)
    assert first.entity_id == failed


async def test_hundreds_that_are_replayed_in_one_transaction_are_bulk_and_a_live_change_goes_before_them(
    host: Host, store: OutboxStore
) -> None:
    host.add_customers(BULK_THRESHOLD + 1)
    for claim in await claim_all(store, 1000):
        verdict = verdicts.dead(
            claim,
            "refused",
            zoho_id=None,
            read_zoho_id=None,
            log=verdicts.bare_log(claim, LogStatus.FAILED, None),
        )
        await store.settle([verdict])
    with host.operator() as operator:
        operator.execute("UPDATE public.zoho_outbox SET status = 'pending' WHERE status = 'dead'")
    edited = host.add_customer(900)
    await store.admit(1000)
    urgencies = host.rows("SELECT urgency, count(*) AS n FROM zoho_outbox_private.entity_state GROUP BY 1 ORDER BY 1")
    assert [(row["urgency"], row["n"]) for row in urgencies] == [(Urgency.LIVE, 1), (Urgency.BULK, BULK_THRESHOLD + 1)]
    (first,) = await store.claim(1, Urgency.RECONCILE)
    assert first.entity_id == edited


async def test_a_few_hundred_of_one_transaction_are_live(host: Host, store: OutboxStore) -> None:
    with host.transaction() as application:
        for number in range(BULK_THRESHOLD):
            host.add_customer(number, connection=application)
    await store.admit(1000)
    assert host.rows("SELECT DISTINCT urgency FROM zoho_outbox_private.entity_state") == [{"urgency": Urgency.LIVE}]


async def test_two_admissions_at_once_admit_each_entry_once(host: Host, store: OutboxStore) -> None:
    customers = host.add_customers(60)
    for customer in customers:
        host.change_customer(customer, phone="1")
    admitted: list[int] = []

    async def admit() -> None:
        while host.value("SELECT count(*) FROM public.zoho_outbox WHERE NOT admitted"):
            admitted.append(await store.admit(7))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(admit)
    assert sum(admitted) == 120
    assert host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase = 'ready'") == 60


async def test_a_state_row_that_another_transaction_holds_is_passed_over_and_found_again(
    host: Host, store: OutboxStore
) -> None:
    customer, other = host.add_customers(2)
    await store.admit(100)
    for each in (customer, other):
        host.change_customer(each, phone="1")
    with host.transaction("postgres") as holder:
        holder.execute("SELECT FROM zoho_outbox_private.entity_state WHERE entity_id = %s FOR UPDATE", [customer])
        with anyio.fail_after(5):
            assert await store.admit(100) == 1
        assert not host.entries(customer)[1]["admitted"]
        assert host.entries(other)[1]["admitted"]
    assert await store.admit(100) == 1


async def test_an_entry_that_another_transaction_holds_is_passed_over_and_found_again(
    host: Host, store: OutboxStore
) -> None:
    customer = host.add_customer()
    with host.transaction("postgres") as holder:
        holder.execute("SELECT FROM public.zoho_outbox WHERE entity_id = %s FOR UPDATE", [customer])
        with anyio.fail_after(5):
            assert await store.admit(100) == 0
    assert await store.admit(100) == 1


async def test_a_late_commit_with_a_lower_id_is_admitted(host: Host, store: OutboxStore) -> None:
    with host.transaction() as slow:
        late = host.add_customer(1, connection=slow)
        quick = host.add_customer(2)
        (claim,) = await claim_all(store)
        await store.settle([verdicts.skipped(claim, "test", read_zoho_id=None)])
    assert host.entry(late)["id"] < host.entry(quick)["id"]
    assert (await claim_one(store)).entity_id == late


async def test_an_edit_during_a_send_makes_the_entity_ready_when_it_is_settled(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    host.change_customer(customer, phone="1")
    assert await store.admit(100) == 1
    assert host.state(customer)["arrived_since_claim"]
    assert await store.claim(10, Urgency.RECONCILE) == []
    await store.settle([verdicts.released(claim, seconds=3600)])
    assert host.state(customer)["phase"] == Phase.READY
    assert (await claim_one(store)).entries == 2


async def test_an_edit_makes_a_scheduled_entity_due_at_once_and_keeps_its_attempts(
    host: Host, store: OutboxStore
) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    await store.settle([_retried(claim)])
    assert await claim_all(store) == []
    host.change_customer(customer, phone="1")
    again = await claim_one(store)
    assert (again.attempts, again.entries) == (2, 2)


async def test_an_edit_gives_a_dead_entity_new_attempts(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    await store.settle([verdicts.dead(claim, "no: edit it", zoho_id=None, read_zoho_id=None)])
    host.change_customer(customer, phone="1")
    assert (await claim_one(store)).attempts == 1


async def test_an_operators_request_gives_new_attempts(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([_retried(await claim_one(store))])
    host.change_customer(customer, zoho_sync_status="pending")
    claim = await claim_one(store)
    assert (claim.attempts, claim.resend) == (1, True)


async def test_a_backfill_leaves_the_pause_between_attempts_as_it_is(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([_retried(await claim_one(store))])
    await _backfill(store, customer)
    assert await claim_all(store) == []
    assert host.state(customer)["phase"] == Phase.SCHEDULED


async def test_a_backfill_does_not_make_the_retry_of_a_live_change_less_urgent(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([_retried(await claim_one(store))])
    await _backfill(store, customer)
    await store.admit(100)
    assert host.state(customer)["urgency"] == Urgency.RETRY


async def test_a_deleted_row_is_marked_as_such(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    host.change_customer(customer, zoho_billing_customer_id="4600000000001")
    host.execute("DELETE FROM public.customers WHERE id = %s", [customer])
    claim = await claim_one(store)
    assert claim.host_deleted
    assert claim.deleted_zoho_id == "4600000000001"


async def test_an_unknown_entity_can_be_enqueued_without_a_host_row(host: Host, store: OutboxStore) -> None:
    stranger = uuid4()
    await _backfill(store, stranger)
    claim = await claim_one(store)
    assert (claim.entity_id, claim.urgency, claim.born_here) == (stranger, Urgency.BACKFILL, False)


async def _backfill(store: OutboxStore, customer: UUID) -> None:
    await store.enqueue(
        [(EntityType.CUSTOMER, customer)],
        change=Change.UPDATED,
        origin=Origin.BACKFILL,
        urgency=Urgency.BACKFILL,
    )


def _retried(claim: verdicts.Claim, seconds: float = 3600) -> verdicts.Verdict:
    return verdicts.retried(claim, "not now", seconds=seconds, zoho_id=None, read_zoho_id=None, sent_hash=None)
