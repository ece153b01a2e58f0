"""What operators do by hand, in each status and in mid-flight (interface.md, SQL; failures.md, 17)."""

from uuid import UUID

import psycopg
import pytest

from outbox.store import verdicts
from outbox.store.protocol import OutboxStore
from outbox.vocabulary import Awaited, Outcome
from tests.store.conftest import claim_all, claim_one
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def _bring_to(host: Host, store: OutboxStore, status: str) -> UUID:
    customer = host.add_customer()
    if status == "unadmitted":
        return customer
    claim = await claim_one(store)
    match status:
        case "pending":
            verdict = verdicts.retried(claim, "not now", seconds=3600, zoho_id=None, read_zoho_id=None, sent_hash=None)
        case "waiting":
            verdict = verdicts.waiting(
                claim, verdicts.Wait(Awaited.CUSTOMER, customer), "customer X", read_zoho_id=None
            )
        case "dead":
            verdict = verdicts.dead(claim, "refused: edit", zoho_id=None, read_zoho_id=None)
        case "skipped":
            verdict = verdicts.skipped(claim, "internal_test account", read_zoho_id=None)
        case _:
            verdict = _done(claim)
    await store.settle([verdict])
    assert host.entries(customer)[0]["status"] == status
    return customer


@pytest.mark.parametrize("status", ["pending", "dead", "skipped", "done", "waiting"])
async def test_a_replayed_entry_is_due_now_with_new_attempts_whatever_it_was(
    host: Host, store: OutboxStore, status: str
) -> None:
    customer = await _bring_to(host, store, status)
    host.replay(host.entries(customer)[0]["id"])
    entry = host.entries(customer)[0]
    assert (entry["status"], entry["attempts"], entry["next_attempt_at"]) == ("pending", 0, None)
    assert (entry["finished_at"], entry["outcome"], entry["waiting_for"]) == (None, None, None)
    assert (entry["origin"], entry["requested_by"]) == ("operator", "finance_operator")
    claim = await claim_one(store)
    assert (claim.attempts, claim.resend) == (1, True)
    await store.settle([_done(claim)])
    assert ("done", "sent") in host.statuses(customer)


async def test_an_entry_that_is_not_admitted_yet_is_sent_once(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "unadmitted")
    host.replay(host.entry(customer)["id"])
    claim = await claim_one(store)
    assert claim.entries == 1
    await store.settle([_done(claim)])
    assert await claim_all(store) == []


async def test_a_processing_entry_stays_and_another_one_runs_after_it(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    notices: list[str] = []
    with host.operator() as operator:
        operator.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        operator.execute("UPDATE public.zoho_outbox SET status = 'pending' WHERE entity_id = %s", [customer])
    assert any("is being sent now; a new entry runs after it" in notice for notice in notices)
    assert [row["status"] for row in host.entries(customer)] == ["processing", "pending"]
    assert await claim_all(store) == []
    await store.settle([_done(claim)])
    again = await claim_one(store)
    assert again.resend
    await store.settle([_done(again)])
    assert host.statuses(customer) == [("done", "sent"), ("done", "sent")]


async def test_a_done_entry_that_is_reopened_during_a_later_send_runs_after_it(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "done")
    host.change_customer(customer, phone="1")
    claim = await claim_one(store)
    host.replay(host.entries(customer)[0]["id"])
    await store.admit(100)
    await store.settle([_done(claim)])
    assert host.statuses(customer) == [("pending", None), ("done", "sent")]
    await store.settle([_done(await claim_one(store))])
    assert [row["finished_at"] is not None for row in host.entries(customer)] == [True, True]


async def test_a_status_set_by_hand_in_mid_flight_is_a_request_of_its_own(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    host.change_customer(customer, zoho_sync_status="pending")
    await store.admit(100)
    await store.settle([_done(claim)])
    assert (await claim_one(store)).resend


async def test_a_status_set_by_hand_to_something_else_is_no_request(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "done")
    host.change_customer(customer, zoho_sync_status="failed")
    assert await claim_all(store) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.zoho_outbox SET status = 'done' WHERE id = %s",
        "UPDATE public.zoho_outbox SET attempts = 0 WHERE id = %s",
        "UPDATE public.zoho_outbox SET priority = 1, status = 'pending' WHERE id = %s",
        "DELETE FROM public.zoho_outbox WHERE id = %s",
    ],
)
async def test_everything_else_is_refused_in_mid_flight_and_the_send_ends_as_it_would(
    host: Host, store: OutboxStore, statement: str
) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    entry = host.entry(customer)["id"]
    with host.operator() as operator, pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"zoho_outbox {entry}"):
        operator.execute(statement, [entry])
    await store.settle([_done(claim)])
    assert host.statuses(customer) == [("done", "sent")]


async def test_a_finished_entry_can_be_deleted(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "done")
    with host.operator() as operator:
        operator.execute("DELETE FROM public.zoho_outbox WHERE entity_id = %s", [customer])
    assert host.entries(customer) == []
    host.change_customer(customer, phone="1")
    assert (await claim_one(store)).zoho_id == "46"


async def test_a_mass_replay_of_the_dead_sends_each_once(host: Host, store: OutboxStore) -> None:
    customers = host.add_customers(30)
    claims = await claim_all(store)
    await store.settle([verdicts.dead(claim, "no", zoho_id=None, read_zoho_id=None) for claim in claims])
    with host.operator() as operator:
        operator.execute("UPDATE public.zoho_outbox SET status = 'pending' WHERE status = 'dead'")
    claims = await claim_all(store)
    assert {claim.entity_id for claim in claims} == set(customers)
    assert all(claim.attempts == 1 and claim.entries == 1 for claim in claims)


async def test_an_id_set_by_hand_is_a_request_to_adopt(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "done")
    host.change_customer(customer, zoho_billing_customer_id="99")
    entry = host.entries(customer)[-1]
    assert (entry["change"], entry["origin"], entry["zoho_id"]) == ("id_set", "operator", "99")
    assert (await claim_one(store)).zoho_id == "46"


async def test_an_id_set_back_to_the_known_one_revives_a_dead_row(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "done")
    host.change_customer(customer, zoho_billing_customer_id="99")
    claim = await claim_one(store)
    reason = "Zoho has no customer 99: correct or clear zoho_billing_customer_id"
    await store.settle([verdicts.dead(claim, reason, zoho_id="46", read_zoho_id="99")])
    host.change_customer(customer, zoho_billing_customer_id="46")
    assert (await claim_one(store)).entity_id == customer


async def test_an_id_cleared_by_hand_enqueues_nothing(host: Host, store: OutboxStore) -> None:
    customer = await _bring_to(host, store, "done")
    host.change_customer(customer, zoho_billing_customer_id=None)
    assert await claim_all(store) == []
    assert len(host.entries(customer)) == 1


def _done(claim: verdicts.Claim) -> verdicts.Verdict:
    return verdicts.done(claim, Outcome.SENT, zoho_id="46", read_zoho_id=None, sent_hash="x:active")
