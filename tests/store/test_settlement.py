"""Settlement: how each verdict shows on entry, state row, host row and log (interface.md, What the table shows)."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import anyio
import pytest

from outbox.database import Database, DatabaseUnavailable
from outbox.store import verdicts
from outbox.store.protocol import OutboxStore
from outbox.store.verdicts import AttemptLog, Claim, Fate, Verdict
from outbox.vocabulary import Awaited, FailureClass, LogStatus, Outcome, Phase
from tests.store.conftest import LEASE_SECONDS, claim_all, claim_one
from tests.store.host import Host, Row

pytestmark = pytest.mark.anyio

ZOHO_ID = "4600000000001001"


def log_of(claim: Claim, status: LogStatus, *, calls: int = 1) -> AttemptLog:
    return AttemptLog(
        status=status,
        attempt_number=claim.attempts,
        duration_ms=120,
        api_calls=calls,
        request_payload={"method": "POST"},
        response_payload={"http_status": 201},
        failure_class=None if status is LogStatus.SUCCESS else FailureClass.TRANSIENT,
        zoho_code=None if status is LogStatus.SUCCESS else 1000,
    )


def sent(claim: Claim, *, read: str | None = None, zoho_id: str = ZOHO_ID, note: str | None = None) -> Verdict:
    return verdicts.done(
        claim,
        Outcome.SENT,
        zoho_id=zoho_id,
        read_zoho_id=read,
        sent_hash="abc:active",
        log=log_of(claim, LogStatus.SUCCESS),
        note=note,
    )


def retried(claim: Claim, reason: str = "HTTP 500: broken", seconds: float = 30.0) -> Verdict:
    return verdicts.retried(
        claim,
        reason,
        seconds=seconds,
        zoho_id=None,
        read_zoho_id=None,
        sent_hash=None,
        log=log_of(claim, LogStatus.RETRYING),
    )


def dead(claim: Claim, reason: str = "refused: correct the e-mail") -> Verdict:
    return verdicts.dead(claim, reason, zoho_id=None, read_zoho_id=None, log=log_of(claim, LogStatus.FAILED))


def waiting(claim: Claim, parent: UUID | None = None) -> Verdict:
    wait = verdicts.Wait(Awaited.CUSTOMER, parent or uuid4(), enqueue=False)
    return verdicts.waiting(claim, wait, "customer CT-2025-00001", read_zoho_id=None)


def stars(host: Host, customer: UUID) -> Row:
    row = host.customer(customer)
    return {name: row[name] for name in row if name.startswith("zoho_")}


class TestDone:
    async def test_done_closes_the_entry_as_sent(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([sent(await claim_one(store))])
        entry = host.entry(customer)
        assert (entry["status"], entry["outcome"], entry["zoho_id"]) == ("done", "sent", ZOHO_ID)
        assert entry["finished_at"] is not None
        assert (entry["last_error"], entry["next_attempt_at"], entry["attempts"]) == (None, None, 1)

    async def test_done_shows_synced_with_the_id_and_without_an_error(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer(zoho_last_sync_error="from before")
        settlement = await store.settle([sent(await claim_one(store))])
        shown = stars(host, customer)
        assert shown.pop("zoho_last_synced_at") is not None
        assert shown == {
            "zoho_sync_status": "synced",
            "zoho_last_sync_error": None,
            "zoho_billing_customer_id": ZOHO_ID,
        }
        assert (settlement.deferred, settlement.trouble, settlement.refused) == (0, None, ())

    async def test_done_is_remembered_in_the_state_row(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        await store.commit_intent(claim, "a@example.com")
        await store.settle([sent(claim)])
        state = host.state(customer)
        assert (state["phase"], state["zoho_id"], state["sent_hash"]) == ("idle", ZOHO_ID, "abc:active")
        assert state["attempts"] == 0
        assert state["sent_at"] is not None
        assert (state["lease_token"], state["lease_until"], state["lease_session"]) == (None, None, None)
        assert (state["fate_unknown_at"], state["clean_look_at"], state["intents"]) == (None, None, 1)

    async def test_done_writes_one_log_row(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        await store.settle([sent(claim)])
        (log,) = host.logs(customer)
        expected = {
            "entity_type": "customer",
            "zoho_entity_type": "Contacts",
            "zoho_entity_id": ZOHO_ID,
            "status": "success",
            "attempt_number": 1,
            "error_message": None,
            "request_payload": {"method": "POST"},
            "response_payload": {"http_status": 201},
            "duration_ms": 120,
            "api_calls": 1,
            "outbox_id": claim.newest_entry,
            "failure_class": None,
            "zoho_code": None,
        }
        assert {name: log[name] for name in expected} == expected

    async def test_of_a_burst_the_newest_is_sent_and_the_others_are_superseded(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        for phone in ("1", "2"):
            host.change_customer(customer, phone=phone)
        await store.settle([sent(await claim_one(store))])
        assert host.statuses(customer) == [("done", "superseded"), ("done", "superseded"), ("done", "sent")]
        assert all(row["finished_at"] for row in host.entries(customer))
        assert len(host.logs(customer)) == 1

    async def test_unchanged_is_done_without_a_log_row_and_without_touching_the_host_row(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        await store.settle([sent(await claim_one(store))])
        host.change_customer(customer, phone="1")
        before = host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer])
        claim = await claim_one(store)
        await store.settle(
            [verdicts.done(claim, Outcome.UNCHANGED, zoho_id=ZOHO_ID, read_zoho_id=ZOHO_ID, sent_hash=claim.sent_hash)]
        )
        assert host.statuses(customer)[-1] == ("done", "unchanged")
        assert len(host.logs(customer)) == 1
        assert host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer]) == before

    async def test_a_note_stays_on_the_entry_and_is_no_error_of_the_row(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([sent(await claim_one(store), note="stays active in Zoho: outstanding is 5")])
        assert host.entry(customer)["last_error"] == "stays active in Zoho: outstanding is 5"
        assert host.shown(customer) == ("synced", None)

    async def test_our_own_write_back_enqueues_nothing(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([sent(await claim_one(store))])
        assert len(host.entries(customer)) == 1


class TestRetried:
    async def test_it_shows_retrying_with_the_reason_and_when(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([retried(await claim_one(store))])
        entry, state = host.entry(customer), host.state(customer)
        assert (entry["status"], entry["last_error"], entry["attempts"]) == ("pending", "HTTP 500: broken", 1)
        assert abs(entry["next_attempt_at"] - state["due_at"]) < timedelta(seconds=1)
        assert (state["phase"], state["attempts"], state["last_error"]) == ("scheduled", 1, "HTTP 500: broken")
        assert host.shown(customer) == ("retrying", "HTTP 500: broken")
        (log,) = host.logs(customer)
        assert (log["status"], log["error_message"], log["failure_class"], log["zoho_code"]) == (
            "retrying",
            "HTTP 500: broken",
            "transient",
            1000,
        )

    async def test_the_host_row_is_written_once_per_series(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([retried(await claim_one(store))])
        before = host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer])
        host.pass_time(customer, 60)
        await store.settle([retried(await claim_one(store), "another reason")])
        assert host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer]) == before
        assert host.entry(customer)["last_error"] == "another reason"
        assert len(host.logs(customer)) == 2

    async def test_it_is_due_when_its_pause_is_over_and_not_before(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([retried(await claim_one(store), seconds=30)])
        assert await claim_all(store) == []
        left = await store.seconds_to_next_due()
        assert left is not None
        assert 0 < left <= 30
        host.pass_time(customer, 31)
        assert (await claim_one(store)).attempts == 2

    async def test_an_attempt_that_does_not_count_is_given_back(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        await store.settle(
            [
                verdicts.retried(
                    claim,
                    "throttled",
                    seconds=0.0,
                    zoho_id=None,
                    read_zoho_id=None,
                    sent_hash=None,
                    counted=False,
                    fate=Fate.UNKNOWN,
                )
            ]
        )
        assert host.state(customer)["attempts"] == 0
        assert host.entry(customer)["attempts"] == 0
        assert (await claim_one(store)).attempts == 1


class TestDead:
    async def test_it_shows_failed_with_the_next_step(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([dead(await claim_one(store))])
        entry = host.entry(customer)
        assert (entry["status"], entry["last_error"]) == ("dead", "refused: correct the e-mail")
        assert (entry["outcome"], entry["finished_at"]) == (None, None)
        assert host.state(customer)["phase"] == Phase.DEAD
        assert host.shown(customer) == ("failed", "refused: correct the e-mail")
        assert host.logs(customer)[0]["status"] == "failed"

    async def test_of_a_burst_only_the_newest_is_dead(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        host.change_customer(customer, phone="1")
        await store.settle([dead(await claim_one(store))])
        assert host.statuses(customer) == [("done", "superseded"), ("dead", None)]

    async def test_an_edit_revives_it_and_closes_the_dead_entry_too(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([dead(await claim_one(store))])
        host.change_customer(customer, email="mended@example.com")
        await store.settle([sent(await claim_one(store))])
        assert host.statuses(customer) == [("done", "superseded"), ("done", "sent")]
        assert host.shown(customer) == ("synced", None)


class TestSkipped:
    async def test_it_shows_skipped_with_the_reason(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([verdicts.skipped(await claim_one(store), "internal_test account", read_zoho_id=None)])
        entry = host.entry(customer)
        assert (entry["status"], entry["outcome"], entry["last_error"]) == (
            "skipped",
            "ineligible",
            "internal_test account",
        )
        assert host.shown(customer) == ("skipped", "internal_test account")
        assert host.logs(customer) == []


class TestWaiting:
    async def test_it_says_whom_it_waits_for_and_leaves_the_status(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        before = host.customer(customer)["zoho_sync_status"]
        await store.settle([waiting(await claim_one(store))])
        entry = host.entry(customer)
        assert (entry["status"], entry["waiting_for"], entry["attempts"]) == ("waiting", "customer CT-2025-00001", 0)
        assert host.shown(customer) == (before, "waiting for customer CT-2025-00001")
        assert host.logs(customer) == []
        assert host.state(customer)["attempts"] == 0

    async def test_it_is_written_once(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        parent = uuid4()
        await store.settle([waiting(await claim_one(store), parent)])
        before = host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer])
        host.change_customer(customer, zoho_sync_status="pending")
        after_request = host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer])
        assert after_request != before
        await store.settle([waiting(await claim_one(store), parent)])
        assert host.value("SELECT xmin FROM public.customers WHERE id = %s", [customer]) == after_request


class TestReleased:
    async def test_nothing_shows_and_the_attempt_is_given_back(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        before = host.customer(customer)
        await store.settle([verdicts.released(await claim_one(store))])
        entry = host.entry(customer)
        assert (entry["status"], entry["attempts"], entry["last_error"]) == ("pending", 0, None)
        assert host.customer(customer) == before
        assert host.logs(customer) == []
        assert (await claim_one(store)).attempts == 1


class TestFate:
    async def test_it_stays_unknown_until_it_is_settled(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        await store.commit_intent(claim, "a@example.com")
        await store.settle([_with_fate(claim, Fate.UNKNOWN)])
        assert host.state(customer)["fate_unknown_at"] is not None
        claim = await claim_one(store)
        assert claim.fate_unknown_seconds is not None
        assert claim.clean_look_seconds is None
        assert (claim.intents, claim.intent_keys) == (1, ("a@example.com",))
        await store.settle([_with_fate(claim, Fate.LOOKED_CLEAN)])
        claim = await claim_one(store)
        assert claim.clean_look_seconds is not None
        await store.settle([_with_fate(claim, Fate.KEEP)])
        claim = await claim_one(store)
        assert claim.clean_look_seconds is not None
        await store.settle([_with_fate(claim, Fate.SETTLED)])
        state = host.state(customer)
        assert (state["fate_unknown_at"], state["clean_look_at"]) == (None, None)

    async def test_another_create_begins_the_looks_anew(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        await store.commit_intent(claim, "a@example.com")
        await store.settle([_with_fate(claim, Fate.LOOKED_CLEAN)])
        claim = await claim_one(store)
        await store.commit_intent(claim, "a@example.com")
        assert host.state(customer)["clean_look_at"] is None
        await store.settle([_with_fate(claim, Fate.UNKNOWN)])
        assert host.state(customer)["clean_look_at"] is None


class TestRefused:
    async def test_a_lost_lease_changes_nothing_and_what_was_sent_is_sent_again(
        self, host: Host, store: OutboxStore, new_store: Callable[[], OutboxStore]
    ) -> None:
        customer = host.add_customer()
        claim, successors = await _taken_over(host, store, new_store())
        before = (host.state(customer), host.customer(customer))
        settlement = await store.settle([sent(claim)])
        assert (len(settlement.accepted), len(settlement.refused)) == (0, 1)
        assert (host.state(customer), host.customer(customer)) == before
        original, resend = host.entries(customer)
        assert original["status"] == "processing"
        assert (resend["change"], resend["origin"], resend["priority"], resend["status"]) == (
            "resend",
            "reconcile",
            10,
            "pending",
        )
        # The successor settles; what the late one may have overwritten is sent again, whatever the hash says.
        await store.admit(100)
        await store.settle([sent(successors)])
        assert (await claim_one(store)).resend

    async def test_a_lost_lease_that_sent_nothing_is_no_reason_to_send_again(
        self, host: Host, store: OutboxStore, new_store: Callable[[], OutboxStore]
    ) -> None:
        customer = host.add_customer()
        claim, _ = await _taken_over(host, store, new_store())
        settlement = await store.settle([verdicts.released(claim)])
        assert len(settlement.refused) == 1
        assert len(host.entries(customer)) == 1

    async def test_a_lease_that_was_taken_over_and_not_claimed_again_is_refused_too(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        host.pass_time(customer, LEASE_SECONDS + 1)
        await store.reclaim()
        assert len((await store.settle([sent(claim)])).refused) == 1
        assert host.state(customer)["phase"] == "ready"

    async def test_settling_twice_sends_again_and_changes_nothing_else(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        verdict = sent(await claim_one(store))
        await store.settle([verdict])
        await store.settle([verdict])
        assert host.statuses(customer) == [("done", "sent"), ("pending", None)]
        assert len(host.logs(customer)) == 1

    async def test_the_others_of_a_batch_are_accepted(self, host: Host, store: OutboxStore) -> None:
        lost, kept = host.add_customers(2)
        claims = {claim.entity_id: claim for claim in await claim_all(store)}
        host.pass_time(lost, LEASE_SECONDS + 1)
        await store.reclaim()
        settlement = await store.settle([sent(claims[lost]), sent(claims[kept], zoho_id="77")])
        assert [verdict.claim.entity_id for verdict in settlement.accepted] == [kept]
        assert host.statuses(kept) == [("done", "sent")]


class TestTheIdColumn:
    async def test_an_id_that_another_hand_set_meanwhile_is_not_overwritten(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        host.change_customer(customer, zoho_billing_customer_id="99")
        await store.settle([sent(claim)])
        assert host.customer(customer)["zoho_billing_customer_id"] == "99"
        assert host.state(customer)["zoho_id"] == ZOHO_ID
        assert [row["change"] for row in host.entries(customer)] == ["inserted", "id_set"]

    async def test_an_id_that_was_cleared_meanwhile_stays_cleared(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        await store.settle([sent(await claim_one(store))])
        host.change_customer(customer, phone="1")
        claim = await claim_one(store)
        host.change_customer(customer, zoho_billing_customer_id=None)
        await store.settle([sent(claim, read=ZOHO_ID)])
        assert host.customer(customer)["zoho_billing_customer_id"] is None

    async def test_an_empty_id_is_replaced(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer(zoho_billing_customer_id="")
        await store.settle([sent(await claim_one(store), read="")])
        assert host.customer(customer)["zoho_billing_customer_id"] == ZOHO_ID


class TestTrouble:
    @pytest.mark.parametrize(
        "sabotage",
        [
            "REVOKE INSERT ON public.zoho_sync_logs FROM zoho_outbox_daemon",
            "ALTER TABLE public.zoho_sync_logs DROP COLUMN api_calls",
            "ALTER TABLE public.zoho_sync_logs ADD CONSTRAINT nothing CHECK (false) NOT VALID",
            "ALTER TABLE public.zoho_sync_logs RENAME TO moved_away",
        ],
        ids=["right revoked", "column dropped", "constraint", "table gone"],
    )
    async def test_where_the_log_row_cannot_be_written_it_is_settled_without(
        self, host: Host, store: OutboxStore, sabotage: str
    ) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        host.interfere(sabotage)
        settlement = await store.settle([sent(claim)])
        assert len(settlement.accepted) == 1
        assert settlement.trouble is not None
        assert "log" in settlement.trouble
        assert host.statuses(customer) == [("done", "sent")]
        assert host.shown(customer) == ("synced", None)

    async def test_a_text_that_cannot_be_stored_harms_only_its_own_row(self, host: Host, store: OutboxStore) -> None:
        bad, good = host.add_customers(2)
        claims = {claim.entity_id: claim for claim in await claim_all(store)}
        settlement = await store.settle([dead(claims[bad], "a \x00 text"), sent(claims[good])])
        assert host.statuses(good) == [("done", "sent")]
        assert len(host.logs(good)) == 1
        # Whether it is stored with a replacement or given up, somebody looks at it again or sees it.
        assert len(settlement.accepted) + len(settlement.given_up) == 2

    async def test_a_text_that_jsonb_refuses_does_not_keep_a_verdict_from_being_settled(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        await store.settle([dead(await claim_one(store), 'Zoho stored the display name "A\x00\ud800"')])
        assert host.entry(customer)["status"] == "dead"

    async def test_a_host_trigger_that_refuses_our_write_defers_it(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        _refuse_writes_to(host, customer)
        settlement = await store.settle([sent(claim)])
        assert settlement.deferred == 1
        assert settlement.trouble is not None
        assert "RaiseException (P0001)" in settlement.trouble
        assert "not today" not in settlement.trouble, "a host's message may name a customer"
        assert host.statuses(customer) == [("done", "sent")]
        assert len(host.logs(customer)) == 1
        assert host.customer(customer)["zoho_billing_customer_id"] is None
        host.execute("DROP TRIGGER refuse ON public.customers")
        host.pass_time(customer, 60)
        await store.write_back()
        assert host.shown(customer) == ("synced", None)
        assert host.customer(customer)["zoho_billing_customer_id"] == ZOHO_ID

    async def test_a_neighbour_whose_write_is_refused_does_not_defer_the_others(
        self, host: Host, store: OutboxStore
    ) -> None:
        bad, good = host.add_customers(2)
        claims = {claim.entity_id: claim for claim in await claim_all(store)}
        _refuse_writes_to(host, bad)
        await store.settle([sent(claims[bad], zoho_id="1"), sent(claims[good], zoho_id="2")])
        host.pass_time(good, 60)
        host.pass_time(bad, 90)
        await store.write_back()
        assert host.shown(good) == ("synced", None)

    async def test_a_daemon_without_rights_on_the_outbox_gives_up_and_the_lease_runs_out(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        host.interfere("REVOKE UPDATE ON public.zoho_outbox FROM zoho_outbox_daemon")
        settlement = await store.settle([sent(claim)])
        assert len(settlement.given_up) == 1
        host.interfere("GRANT UPDATE ON public.zoho_outbox TO zoho_outbox_daemon")
        host.pass_time(customer, LEASE_SECONDS + 1)
        await store.reclaim()
        assert (await claim_one(store)).attempts == 2


class TestLockedHostRow:
    async def test_it_is_settled_at_once_and_written_back_later(
        self, host: Host, store: OutboxStore, database: Database
    ) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        with host.transaction() as application:
            application.execute("UPDATE public.customers SET updated_at = now() WHERE id = %s", [customer])
            with anyio.fail_after(5):
                settlement = await store.settle([sent(claim)])
            assert settlement.deferred == 1
            assert host.statuses(customer) == [("done", "sent")]
            assert host.state(customer)["zoho_id"] == ZOHO_ID
            host.pass_time(customer, 10)
            with anyio.fail_after(5):
                await store.write_back()
            assert host.customer(customer)["zoho_billing_customer_id"] is None
            assert host.state(customer)["write_back_due"] is not None
        host.pass_time(customer, 10)
        await store.write_back()
        assert host.shown(customer) == ("synced", None)
        row, state = host.customer(customer), host.state(customer)
        assert row["zoho_billing_customer_id"] == ZOHO_ID
        assert row["zoho_last_synced_at"] == state["sent_at"]
        assert state["write_back_due"] is None
        assert len(host.entries(customer)) == 1

    async def test_a_claim_in_between_knows_that_the_id_is_still_to_be_written(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        with host.transaction() as application:
            host.change_customer(customer, connection=application, phone="1")
            await store.settle([sent(claim)])
        again = await claim_one(store)
        assert (again.zoho_id, again.id_not_written) == (ZOHO_ID, True)

    async def test_an_id_that_was_cleared_while_the_row_was_locked_is_not_written_again(
        self, host: Host, store: OutboxStore
    ) -> None:
        customer = host.add_customer()
        await store.settle([sent(await claim_one(store))])
        host.change_customer(customer, phone="1")
        claim = await claim_one(store)
        with host.transaction() as operator:
            host.change_customer(customer, connection=operator, zoho_billing_customer_id=None)
            await store.settle([sent(claim, read=ZOHO_ID)])
        host.pass_time(customer, 10)
        await store.write_back()
        assert host.customer(customer)["zoho_billing_customer_id"] is None

    async def test_an_id_that_was_set_while_the_row_was_locked_stays(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        with host.transaction() as operator:
            host.change_customer(customer, connection=operator, zoho_billing_customer_id="99")
            await store.settle([sent(claim)])
        host.pass_time(customer, 10)
        await store.write_back()
        assert host.customer(customer)["zoho_billing_customer_id"] == "99"

    async def test_a_row_that_was_deleted_meanwhile_is_not_waited_for(self, host: Host, store: OutboxStore) -> None:
        customer = host.add_customer()
        claim = await claim_one(store)
        with host.transaction() as application:
            application.execute("DELETE FROM public.customers WHERE id = %s", [customer])
            await store.settle([sent(claim)])
        host.pass_time(customer, 10)
        await store.write_back()
        assert host.state(customer)["write_back_due"] is None


def _with_fate(claim: Claim, fate: Fate) -> Verdict:
    return verdicts.retried(
        claim, "test", seconds=0.0, zoho_id=None, read_zoho_id=None, sent_hash=None, fate=fate, counted=False
    )


async def _taken_over(host: Host, store: OutboxStore, successor: OutboxStore) -> tuple[Claim, Claim]:
    claim = await claim_one(store)
    host.pass_time(claim.entity_id, LEASE_SECONDS + 1)
    await successor.reclaim()
    return claim, await claim_one(successor)


def _refuse_writes_to(host: Host, customer: UUID) -> None:
    host.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not today'; END $$"
    )
    host.execute("GRANT EXECUTE ON FUNCTION public.refuse() TO PUBLIC")
    host.execute(
        f"CREATE TRIGGER refuse BEFORE UPDATE ON public.customers FOR EACH ROW "
        f"WHEN (NEW.id = '{customer}') EXECUTE FUNCTION public.refuse()"
    )


class _NobodyIsWoken(OutboxStore):
    """The database goes away between a settlement's commit and its wake-ups."""

    async def wake(self, parents: Sequence[UUID] | None) -> int:
        raise DatabaseUnavailable("gone")


async def test_a_settlement_stands_where_nobody_could_be_woken_after_it(
    host: Host, store: OutboxStore, database: Database
) -> None:
    customer = host.add_customer()
    alone = _NobodyIsWoken(database, store.session, store.clock, LEASE_SECONDS)
    claim = await claim_one(store)
    settlement = await alone.settle([sent(claim)])
    assert [verdict.claim for verdict in settlement.accepted] == [claim]
    assert len(host.entries(customer)) == 1
