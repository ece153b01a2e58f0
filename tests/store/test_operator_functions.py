"""Operators' functions: replay, skip (interface.md, SQL; failures.md, 16 and 17)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from outbox.store import verdicts
from outbox.store.protocol import OutboxStore
from outbox.store.verdicts import Claim
from outbox.vocabulary import Awaited, EntityType, Outcome
from tests.host.databases import Database
from tests.migration.migrated import OPERATOR
from tests.store.conftest import claim_all, claim_one
from tests.store.host import Connection, Host, Row

pytestmark = pytest.mark.anyio

WHY = "a duplicate of CT-2025-00007"
SKIP: LiteralString = "SELECT * FROM public.zoho_outbox_skip(%s, %s)"
REPLAY: LiteralString = "SELECT * FROM public.zoho_outbox_replay(%s)"
REPLAY_ENTITY: LiteralString = "SELECT * FROM public.zoho_outbox_replay_entity(%s, %s)"
REPLAY_DEAD: LiteralString = "SELECT * FROM public.zoho_outbox_replay_dead(%s, %s)"


def ask(host: Host, query: LiteralString, *parameters: Any) -> list[Row]:
    """What an operator's function returns, committed."""
    with host.operator() as operator:
        return operator.execute(query, parameters).fetchall()


def skip(host: Host, entry_id: int) -> list[Row]:
    return ask(host, SKIP, entry_id, WHY)


def newest(host: Host, customer: UUID) -> int:
    number: int = host.entries(customer)[-1]["id"]
    return number


@contextmanager
def left_open(host: Host, query: LiteralString, *parameters: Any) -> Iterator[Connection]:
    """The function in an operator's transaction that stays open for the block, and is committed then."""
    with host.transaction(OPERATOR) as connection:
        connection.execute(query, parameters)
        yield connection


async def bring_to(host: Host, store: OutboxStore, status: str, number: int = 1) -> UUID:
    customer = host.add_customer(number)
    claim = await claim_one(store)
    match status:
        case "pending":
            verdict = verdicts.retried(claim, "not now", seconds=3600, zoho_id=None, read_zoho_id=None, sent_hash=None)
        case "waiting":
            verdict = waiting_for(claim, uuid4())
        case "dead":
            verdict = died(claim)
        case "skipped":
            verdict = verdicts.skipped(claim, "internal_test account", read_zoho_id=None)
        case _:
            verdict = done(claim)
    await store.settle([verdict])
    assert host.entries(customer)[0]["status"] == status
    return customer


def done(claim: Claim) -> verdicts.Verdict:
    return verdicts.done(claim, Outcome.SENT, zoho_id="46", read_zoho_id=None, sent_hash="x:active")


def died(claim: Claim) -> verdicts.Verdict:
    return verdicts.dead(claim, "refused: edit the row", zoho_id=claim.zoho_id, read_zoho_id=claim.zoho_id)


def waiting_for(claim: Claim, parent: UUID, *, dead: bool = False) -> verdicts.Verdict:
    wait = verdicts.Wait(Awaited.CUSTOMER, parent, dead=dead, enqueue=False)
    return verdicts.waiting(claim, wait, "customer CT-2025-00007", read_zoho_id=None)


# Skip.


@pytest.mark.parametrize("status", ["dead", "waiting"])
async def test_a_skipped_entry_is_finished_with_who_when_and_why(host: Host, store: OutboxStore, status: str) -> None:
    customer = await bring_to(host, store, status)
    entry_id = newest(host, customer)
    said = skip(host, entry_id)
    assert said == [{"id": entry_id, "entity_type": "customer", "entity_id": customer, "status": "skipped"}]
    entry = host.entry(customer)
    assert (entry["status"], entry["outcome"], entry["last_error"]) == ("skipped", "set_aside", WHY)
    assert (entry["requested_by"], entry["waiting_for"], entry["next_attempt_at"]) == (OPERATOR, None, None)
    assert entry["finished_at"] is not None
    state = host.state(customer)
    assert (state["phase"], state["attempts"], state["waits_for_id"], state["last_error"]) == ("idle", 0, None, WHY)
    assert await claim_all(store) == []


async def test_the_row_shows_skipped_with_the_reason_once_the_daemon_writes_it(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    skip(host, newest(host, customer))
    assert host.shown(customer) == ("failed", "refused: edit the row")
    assert await store.write_back() == 1
    assert host.shown(customer) == ("skipped", WHY)
    assert await claim_all(store) == []


async def test_skipping_does_not_wait_for_an_application_that_holds_the_row(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    with host.transaction() as application:
        host.change_customer(customer, connection=application, phone="1")
        skip(host, newest(host, customer))
        await store.write_back()
        assert host.state(customer)["write_back_due"] is not None
    # The application's edit came after the skip.
    await store.settle([done(await claim_one(store))])
    assert host.statuses(customer) == [("skipped", "set_aside"), ("done", "sent")]
    assert host.shown(customer) == ("synced", None)


async def test_an_edit_sends_a_skipped_row_as_if_it_were_new(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    skip(host, newest(host, customer))
    host.change_customer(customer, phone="1")
    claim = await claim_one(store)
    assert (claim.attempts, claim.entries, claim.born_here) == (1, 1, True)
    await store.settle([done(claim)])
    assert host.shown(customer) == ("synced", None)


async def test_an_edit_that_is_taken_back_after_a_skip_does_not_look_unchanged(host: Host, store: OutboxStore) -> None:
    """The skipped entry had asked to be sent again whatever the hash."""
    customer = await bring_to(host, store, "done")
    ask(host, REPLAY_ENTITY, "customer", customer)
    await store.settle([waiting_for(await claim_one(store), uuid4())])
    assert host.state(customer)["sent_hash"] == "x:active"
    skip(host, newest(host, customer))
    host.change_customer(customer, phone="1")
    assert (await claim_one(store)).sent_hash == "?:?"


async def test_what_is_known_of_a_create_is_kept_over_a_skip(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    assert await store.commit_intent(claim, "anna.meadow1@example.com")
    await store.settle([died(claim)])
    skip(host, newest(host, customer))
    host.change_customer(customer, phone="1")
    again = await claim_one(store)
    assert again.fate_unknown_seconds is not None
    assert (again.intents, again.intent_keys) == (1, ("anna.meadow1@example.com",))


async def test_a_skip_takes_along_what_the_same_attempt_carried(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    host.change_customer(customer, phone="1")
    claim = await claim_one(store)
    assert claim.entries == 2
    await store.settle([waiting_for(claim, uuid4())])
    assert [row["status"] for row in skip(host, newest(host, customer))] == ["done", "skipped"]
    assert host.statuses(customer) == [("done", "superseded"), ("skipped", "set_aside")]
    assert host.state(customer)["phase"] == "idle"


async def test_a_skip_of_the_older_of_two_leaves_the_newer_where_it_is(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    host.change_customer(customer, phone="1")
    parent = uuid4()
    await store.settle([waiting_for(await claim_one(store), parent)])
    older, newer = (row["id"] for row in host.entries(customer))
    notices: list[str | None] = []
    with host.operator() as operator:
        operator.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        operator.execute(SKIP, [older, WHY])
    assert notices == [f"zoho_outbox {older}: is set aside, but entry {newer} of the same row is unfinished too"]
    assert host.statuses(customer) == [("skipped", "set_aside"), ("waiting", None)]
    state = host.state(customer)
    assert (state["phase"], state["waits_for_id"], state["write_back_due"]) == ("waiting", parent, None)


async def test_a_skip_does_not_stop_a_newer_edit_that_is_admitted(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    host.change_customer(customer, phone="1")
    await store.admit(100)
    skip(host, host.entries(customer)[0]["id"])
    assert host.state(customer)["phase"] == "ready"
    claim = await claim_one(store)
    assert claim.entries == 1
    await store.settle([done(claim)])
    assert host.statuses(customer) == [("skipped", "set_aside"), ("done", "sent")]
    assert host.shown(customer) == ("synced", None)


async def test_a_skip_does_not_stop_a_newer_edit_that_nobody_has_admitted(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    host.change_customer(customer, phone="1")
    skip(host, host.entries(customer)[0]["id"])
    assert host.state(customer)["phase"] == "idle"
    assert (await claim_one(store)).entries == 1


async def test_a_skip_does_not_take_back_an_older_entry_that_was_replayed(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "done")
    host.change_customer(customer, phone="1")
    await store.settle([died(await claim_one(store))])
    older, newer = (row["id"] for row in host.entries(customer))
    ask(host, REPLAY, older)
    await store.admit(100)
    skip(host, newer)
    claim = await claim_one(store)
    assert (claim.entries, claim.newest_entry, claim.resend) == (1, older, True)


@pytest.mark.parametrize(
    ("status", "hint"),
    [("pending", "due, or between attempts"), ("done", "is finished"), ("skipped", "is finished")],
)
async def test_what_is_neither_dead_nor_waiting_is_not_skipped(
    host: Host, store: OutboxStore, status: str, hint: str
) -> None:
    customer = await bring_to(host, store, status)
    before = host.entry(customer), host.state(customer)
    entry_id = newest(host, customer)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f"{entry_id}: is {status}, only") as refusal:
        skip(host, entry_id)
    assert hint in str(refusal.value.diag.message_hint)
    assert (host.entry(customer), host.state(customer)) == before


async def test_what_is_being_sent_is_not_skipped(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is being sent now") as refusal:
        skip(host, newest(host, customer))
    assert "zoho_outbox_pause" in str(refusal.value.diag.message_hint)
    await store.settle([done(claim)])
    assert host.statuses(customer) == [("done", "sent")]


async def test_a_dead_entry_is_not_skipped_while_a_newer_edit_of_its_row_is_being_sent(
    host: Host, store: OutboxStore
) -> None:
    """That attempt absorbed the dead entry too."""
    customer = await bring_to(host, store, "dead")
    host.change_customer(customer, phone="1")
    claim = await claim_one(store)
    assert claim.entries == 2
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is being sent now"):
        skip(host, host.entries(customer)[0]["id"])
    await store.settle([done(claim)])
    assert host.statuses(customer) == [("done", "superseded"), ("done", "sent")]


@pytest.mark.parametrize("reason", ["", "  ", None])
async def test_a_skip_without_a_reason_is_refused(host: Host, store: OutboxStore, reason: str | None) -> None:
    customer = await bring_to(host, store, "dead")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="needs a reason"):
        ask(host, SKIP, newest(host, customer), reason)
    assert host.entry(customer)["status"] == "dead"


async def test_an_entry_that_does_not_exist_is_refused_with_where_to_look(host: Host, store: OutboxStore) -> None:
    for query, parameters in ((SKIP, (4711, WHY)), (REPLAY, (4711,))):
        with pytest.raises(psycopg.errors.NoDataFound, match="zoho_outbox 4711: there is no such entry") as refusal:
            ask(host, query, *parameters)
        assert refusal.value.diag.message_hint


async def test_of_two_skips_at_once_one_is_refused_and_neither_waits(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    entry_id = newest(host, customer)
    with left_open(host, SKIP, entry_id, "first"), pytest.raises(psycopg.errors.LockNotAvailable) as refusal:
        skip(host, entry_id)
    assert f"works on customer {customer} at this moment" in str(refusal.value.diag.message_primary)
    assert host.entry(customer)["last_error"] == "first"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is skipped"):
        skip(host, entry_id)


async def test_a_replay_in_an_open_transaction_makes_a_skip_be_refused(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    entry_id = newest(host, customer)
    with left_open(host, REPLAY, entry_id), pytest.raises(psycopg.errors.LockNotAvailable):
        skip(host, entry_id)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is pending"):
        skip(host, entry_id)
    assert (await claim_one(store)).entries == 1


async def test_a_replay_of_what_was_skipped_sends_it(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    skip(host, newest(host, customer))
    assert [row["status"] for row in ask(host, REPLAY, newest(host, customer))] == ["pending"]
    await store.settle([done(await claim_one(store))])
    assert host.statuses(customer) == [("done", "sent")]


async def test_a_skip_left_open_holds_up_its_own_entity_alone(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    other = host.add_customer(2)
    with left_open(host, SKIP, newest(host, customer), WHY):
        host.change_customer(customer, phone="1")
        claim = await claim_one(store)
        assert claim.entity_id == other
        await store.settle([done(claim)])
        assert await store.claim_one(EntityType.CUSTOMER, customer) is None
        assert await store.write_back() == 0
    assert (await claim_one(store)).entity_id == customer


async def test_a_skip_that_is_rolled_back_leaves_nothing(host: Host, store: OutboxStore) -> None:
    customer = await bring_to(host, store, "dead")
    before = host.entry(customer), host.state(customer)
    with left_open(host, SKIP, newest(host, customer), WHY) as operator:
        operator.rollback()
    assert (host.entry(customer), host.state(customer)) == before


async def test_a_skip_within_a_claim_s_transaction_is_refused(
    host: Host, store: OutboxStore, migrated_database: Database
) -> None:
    customer = await bring_to(host, store, "waiting")
    with psycopg.connect(migrated_database.superuser_dsn) as claiming:
        # The first statement of a claim, before its entries are stamped.
        claiming.execute(
            "SELECT FROM zoho_outbox_private.entity_state WHERE entity_id = %s FOR UPDATE SKIP LOCKED", [customer]
        )
        with pytest.raises(psycopg.errors.LockNotAvailable):
            skip(host, newest(host, customer))
        claiming.rollback()
    skip(host, newest(host, customer))


async def test_children_of_a_skipped_parent_look_once_more_and_go_on_waiting(host: Host, store: OutboxStore) -> None:
    parent = await bring_to(host, store, "dead")
    child = host.add_customer(2)
    await store.settle([waiting_for(await claim_one(store), parent, dead=True)])
    assert await store.wake(None) == 0
    skip(host, newest(host, parent))
    assert await store.wake(None) == 1
    await store.settle([waiting_for(await claim_one(store), parent)])
    await store.write_back()
    host.pass_time(parent, 120)  # the sweep looks for a minute longer than it must
    assert await store.wake(None) == 0
    assert (host.state(child)["phase"], host.state(child)["waits_for_id"]) == ("waiting", parent)
    assert host.entry(child)["waiting_for"] == "customer CT-2025-00007"
    assert "CT-2025-00007" in str(host.shown(child)[1])
    host.change_customer(parent, phone="1")
    await store.settle([done(await claim_one(store))])
    assert (await claim_one(store)).entity_id == child


async def test_a_wake_up_passes_by_a_child_that_is_being_set_aside(host: Host, store: OutboxStore) -> None:
    parent, child = await _sleeping_child(host, store)
    with left_open(host, SKIP, newest(host, child), WHY):
        assert await store.wake([parent]) == 0
    assert await store.wake(None) == 0
    assert host.state(child)["phase"] == "idle"
    assert await claim_all(store) == []


async def test_a_package_that_is_published_passes_by_a_child_that_is_being_set_aside(
    host: Host, store: OutboxStore
) -> None:
    package = uuid4()
    children = host.add_customers(2)
    for claim in await claim_all(store):
        wait = verdicts.Wait(Awaited.PACKAGE, package, enqueue=False)
        await store.settle([verdicts.waiting(claim, wait, "package", read_zoho_id=None)])
    # As it is when it was being published while they began to wait: no trigger wakes them.
    host.interfere("ALTER TABLE public.product_integrations DISABLE TRIGGER USER")
    host.interfere(
        """
        WITH package AS (
            INSERT INTO public.service_packages (id, name, sku, service_type, speed_down, speed_up, price)
            VALUES (%s, 'Fibre 100', 'FIBRE-100', 'fibre', 100, 100, 799)
            RETURNING id
        )
        INSERT INTO public.product_integrations (service_package_id, sync_status)
        SELECT package.id, 'ok' FROM package
        """,
        [package],
    )
    with left_open(host, SKIP, newest(host, children[0]), WHY) as operator:
        assert await store.wake_published() == 1
        operator.rollback()
    assert host.state(children[0])["phase"] == "waiting"
    assert host.state(children[1])["phase"] == "ready"
    assert await store.wake_published() == 1


async def test_a_wake_up_that_passed_by_is_made_up_for_where_the_skip_is_taken_back(
    host: Host, store: OutboxStore
) -> None:
    parent, child = await _sleeping_child(host, store)
    with left_open(host, SKIP, newest(host, child), WHY) as operator:
        assert await store.wake([parent]) == 0
        operator.rollback()
    assert await store.wake(None) == 1
    assert (await claim_one(store)).entity_id == child


async def test_a_child_that_was_woken_and_not_claimed_is_set_aside_all_the_same(host: Host, store: OutboxStore) -> None:
    parent, child = await _sleeping_child(host, store)
    assert await store.wake([parent]) == 1
    skip(host, newest(host, child))
    assert host.state(child)["phase"] == "idle"
    assert await claim_all(store) == []


async def _sleeping_child(host: Host, store: OutboxStore) -> tuple[UUID, UUID]:
    """A parent that came into Zoho without anybody waking its child."""
    parent = await bring_to(host, store, "dead")
    child = host.add_customer(2)
    await store.settle([waiting_for(await claim_one(store), parent, dead=True)])
    host.interfere(
        "UPDATE zoho_outbox_private.entity_state SET zoho_id = '46', sent_at = now() WHERE entity_id = %s", [parent]
    )
    return parent, child


# Replay.


@pytest.mark.parametrize("status", ["pending", "dead", "skipped", "done", "waiting"])
async def test_replay_reopens_an_entry_whatever_it_was(host: Host, store: OutboxStore, status: str) -> None:
    customer = await bring_to(host, store, status)
    entry_id = newest(host, customer)
    said = ask(host, REPLAY, entry_id)
    assert said == [{"id": entry_id, "entity_type": "customer", "entity_id": customer, "status": "pending"}]
    entry = host.entry(customer)
    assert (entry["origin"], entry["requested_by"], entry["attempts"]) == ("operator", OPERATOR, 0)
    claim = await claim_one(store)
    assert (claim.attempts, claim.entries, claim.resend) == (1, 1, True)


@pytest.mark.parametrize("by", ["entry", "entity"])
async def test_replay_of_what_is_being_sent_leaves_it_and_appends_one_entry(
    host: Host, store: OutboxStore, by: str
) -> None:
    customer = host.add_customer()
    host.change_customer(customer, phone="1")
    claim = await claim_one(store)
    entry_id = newest(host, customer)
    notices: list[str] = []
    with host.operator() as operator:
        operator.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        if by == "entry":
            said = operator.execute(REPLAY, [entry_id]).fetchall()
            assert [(row["id"], row["status"]) for row in said] == [(entry_id, "processing")]
        else:
            said = operator.execute(REPLAY_ENTITY, ["customer", customer]).fetchall()
            assert [(row["id"], row["status"]) for row in said] == [(newest(host, customer), "pending")]
    (notice,) = notices
    assert "is being sent now; a new entry runs after it" in notice
    assert [row["status"] for row in host.entries(customer)] == ["processing", "processing", "pending"]
    await store.settle([done(claim)])
    again = await claim_one(store)
    assert again.resend
    await store.settle([done(again)])
    assert host.statuses(customer) == [("done", "superseded"), ("done", "sent"), ("done", "sent")]


@pytest.mark.parametrize("status", ["pending", "dead", "waiting"])
async def test_replay_of_a_row_reopens_what_is_unfinished(host: Host, store: OutboxStore, status: str) -> None:
    customer = await bring_to(host, store, status)
    said = ask(host, REPLAY_ENTITY, "customer", customer)
    assert said == [
        {"id": newest(host, customer), "entity_type": "customer", "entity_id": customer, "status": "pending"}
    ]
    assert (await claim_one(store)).entries == 1


@pytest.mark.parametrize("status", ["done", "skipped"])
async def test_replay_of_a_row_with_nothing_open_appends_an_entry(host: Host, store: OutboxStore, status: str) -> None:
    customer = await bring_to(host, store, status)
    (said,) = ask(host, REPLAY_ENTITY, "customer", customer)
    assert said["id"] == newest(host, customer)
    entry = host.entries(customer)[1]
    assert (entry["change"], entry["origin"], entry["requested_by"]) == ("requested", "operator", OPERATOR)
    assert (await claim_one(store)).resend


async def test_replay_of_a_row_that_nobody_has_admitted_yet_is_sent_once(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    ask(host, REPLAY_ENTITY, "customer", customer)
    claim = await claim_one(store)
    assert (claim.entries, claim.resend) == (2, True)
    await store.settle([done(claim)])
    assert await claim_all(store) == []


async def test_replay_of_a_row_that_was_never_captured_is_refused_with_what_to_do(
    host: Host, store: OutboxStore
) -> None:
    with pytest.raises(psycopg.errors.NoDataFound, match="nothing of it was ever captured") as refusal:
        ask(host, REPLAY_ENTITY, "customer", uuid4())
    assert "zoho_sync_status" in str(refusal.value.diag.message_hint)


@pytest.mark.parametrize("query", [REPLAY_ENTITY, REPLAY_DEAD])
async def test_a_type_that_does_not_exist_is_refused_with_those_that_do(host: Host, query: LiteralString) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match='"customers" is no type') as refusal:
        ask(host, query, "customers", None)
    assert "customer, subscription, invoice or payment" in str(refusal.value.diag.message_hint)


async def test_replay_of_the_dead_reopens_those_alone(host: Host, store: OutboxStore) -> None:
    dead = [await bring_to(host, store, "dead", number) for number in (1, 2)]
    for number, status in enumerate(("waiting", "pending", "skipped", "done"), start=3):
        await bring_to(host, store, status, number)
    assert [row["entity_id"] for row in ask(host, REPLAY_DEAD, None, None)] == dead
    claims = await claim_all(store)
    assert {claim.entity_id for claim in claims} == set(dead)
    assert all((claim.attempts, claim.entries) == (1, 1) for claim in claims)
    assert ask(host, REPLAY_DEAD, None, None) == []


async def test_replay_of_the_dead_takes_a_type_and_a_moment_by_name(host: Host, store: OutboxStore) -> None:
    old, new = [await bring_to(host, store, "dead", number) for number in (1, 2)]
    host.pass_time(old, 7200)
    assert ask(host, REPLAY_DEAD, "payment", None) == []
    since: LiteralString = "SELECT * FROM public.zoho_outbox_replay_dead(since => now() - interval '1 hour')"
    assert [row["entity_id"] for row in ask(host, since)] == [new]
    every: LiteralString = "SELECT * FROM public.zoho_outbox_replay_dead()"
    assert [row["entity_id"] for row in ask(host, every)] == [old]


async def test_mass_replays_at_once_do_not_wait_for_each_other(host: Host, store: OutboxStore) -> None:
    customers = [await bring_to(host, store, "dead", number) for number in (1, 2)]
    with left_open(host, REPLAY, newest(host, customers[0])):
        assert [row["entity_id"] for row in ask(host, REPLAY_DEAD, None, None)] == customers[1:]
    assert {claim.entity_id for claim in await claim_all(store)} == set(customers)


async def test_mass_replay_leaves_what_is_being_set_aside(host: Host, store: OutboxStore) -> None:
    customers = [await bring_to(host, store, "dead", number) for number in (1, 2)]
    with left_open(host, SKIP, newest(host, customers[0]), WHY):
        assert [row["entity_id"] for row in ask(host, REPLAY_DEAD, None, None)] == customers[1:]
    assert host.statuses(customers[0]) == [("skipped", "set_aside")]


@pytest.mark.parametrize(
    "act",
    [
        lambda host, customer: ask(host, REPLAY, newest(host, customer)),
        lambda host, customer: ask(host, REPLAY_ENTITY, "customer", customer),
        lambda host, _: ask(host, REPLAY_DEAD, None, None),
    ],
    ids=["entry", "entity", "dead"],
)
async def test_a_replay_rings_where_somebody_listens(
    host: Host, store: OutboxStore, act: Callable[[Host, UUID], list[Row]]
) -> None:
    customer = await bring_to(host, store, "dead")
    host.interfere("UPDATE zoho_outbox_private.bell SET wanted = true")
    listener = host.connect("zoho_outbox_daemon")
    try:
        listener.execute("LISTEN zoho_outbox")
        act(host, customer)
        assert [notification.payload for notification in listener.notifies(timeout=30, stop_after=1)] == [""]
    finally:
        listener.close()
