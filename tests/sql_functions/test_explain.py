"""The sentence of ``zoho_explain``, case by case, as an operator reads it (interface.md, SQL)."""

import re
from collections.abc import Callable
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from outbox.store import verdicts
from outbox.store.protocol import OutboxStore
from outbox.vocabulary import Awaited
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON
from tests.sql_functions.asking import EXPLAIN, ask, died, explain, failed, sent, why
from tests.store.conftest import claim_all, claim_one
from tests.store.host import Host

pytestmark = pytest.mark.anyio

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
REASON = "HTTP 400, code 3062: give the customer an e-mail"


def said(pattern: str, text: str) -> bool:
    """Whether the text is the pattern, in which ``@`` stands for a moment."""
    return re.fullmatch(re.escape(pattern).replace("@", MOMENT), text) is not None


@pytest.fixture(autouse=True)
def daemon(host: Host) -> UUID:
    """A daemon that was heard of just now: its absence is told only where a test takes it away."""
    session = uuid4()
    host.interfere(
        "INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version) "
        "VALUES (%s, 'daemon', 'billing-1', 42, '0')",
        [session],
    )
    return session


def stop_the_daemon(host: Host) -> None:
    host.interfere("UPDATE zoho_outbox_private.session SET seen_at = now() - interval '2 minutes'")


# Before and while it is sent.


async def test_a_change_that_nobody_took_up_yet_is_pending_whatever_was_before(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    assert explain(host, customer)["where"] == "ready"
    await store.settle([died(await claim_one(store), REASON)])
    host.change_customer(customer, phone="1")
    told = explain(host, customer)
    assert (told["where"], told["not_admitted"]) == ("ready", 1)
    assert told["why"] == "pending: its last change was captured and is to be sent"
    assert told["next"].startswith("nothing: a daemon takes it in its order")


async def test_pending_without_a_daemon_says_to_start_one(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer(account_number="CT 7")
    await store.admit(10)
    stop_the_daemon(host)
    told = explain(host, customer)
    assert said("pending since @; no daemon is running", told["why"])
    assert told["next"] == (
        "start it (systemctl start zoho-outbox), or send this row alone: zoho-outbox sync customer 'CT 7'"
    )


PAUSED: LiteralString = "SELECT public.zoho_outbox_pause('month end')"
THROTTLED: LiteralString = (
    "UPDATE zoho_outbox_private.organisation SET throttled_at = now(), throttled_until = now() + interval '1 hour', "
    "throttled_why = 'code 44: too many'"
)
FORBIDDEN: LiteralString = (
    "UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), forbidden_why = 'code 57: mend the scope', "
    "probe_at = now() + interval '15 minutes'"
)
BROKEN: LiteralString = (
    "UPDATE zoho_outbox_private.organisation SET broken_at = now(), broken_why = 'HTTP 500', "
    "probe_at = now() + interval '5 seconds'"
)
DAY_USED_UP: LiteralString = (
    "UPDATE zoho_outbox_private.request_budget SET day = (now() AT TIME ZONE 'Africa/Johannesburg')::date, "
    "requests = 1000, time_zone = 'Africa/Johannesburg', day_limit = 1000, reserve_percent = 30"
)


@pytest.mark.parametrize(
    ("act", "organisation", "sentence", "next_step"),
    [
        (PAUSED, "paused", "sending was paused by postgres: month end (since @)", "SELECT zoho_outbox_resume()"),
        (THROTTLED, "throttled", "sending is throttled until @: code 44: too many", "goes on by itself"),
        (
            FORBIDDEN,
            "forbidden",
            "Zoho refuses everything since @ and a person must act: code 57: mend the scope",
            "zoho-outbox doctor",
        ),
        (BROKEN, "broken", "Zoho is unwell since @ (HTTP 500)", "probed again at"),
        (DAY_USED_UP, "day", "the day's quota of 1000 requests is used up", "goes on by itself at"),
    ],
)
async def test_what_stops_sending_as_a_whole_is_told_with_what_ends_it(
    host: Host, store: OutboxStore, act: LiteralString, organisation: str, sentence: str, next_step: str
) -> None:
    customer = host.add_customer()
    await store.admit(10)
    host.interfere(act)
    told = explain(host, customer)
    told["why"] = told["why"].replace(str(host.value("SELECT session_user::text")), "postgres")
    assert told["organisation"] == organisation
    assert said(f"pending since @; {sentence}", told["why"]), told["why"]
    assert next_step in told["next"]
    stop_the_daemon(host)
    assert "besides, no daemon is running" in why(host, customer)


async def test_the_reserve_holds_up_backfills_alone(host: Host, store: OutboxStore) -> None:
    backfilled, live = host.add_customer(1), host.add_customer(2)
    await store.admit(10)
    host.interfere(DAY_USED_UP)
    host.interfere("UPDATE zoho_outbox_private.request_budget SET requests = 700")
    host.interfere("UPDATE zoho_outbox_private.entity_state SET urgency = 30 WHERE entity_id = %s", [backfilled])
    assert explain(host, backfilled)["organisation"] == "reserve"
    assert "is kept for live changes" in why(host, backfilled)
    assert explain(host, live)["organisation"] == "running"


async def test_yesterday_s_quota_holds_nobody_up(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.admit(10)
    host.interfere(DAY_USED_UP)
    host.interfere("UPDATE zoho_outbox_private.request_budget SET day = day - 1")
    assert explain(host, customer)["organisation"] == "running"


async def test_being_sent_names_the_holder(host: Host, store: OutboxStore, daemon: UUID) -> None:
    customer = host.add_customer()
    await claim_one(store)
    host.interfere("UPDATE zoho_outbox_private.entity_state SET lease_session = %s", [daemon])
    host.change_customer(customer, phone="1")
    told = explain(host, customer)
    assert told["where"] == "leased"
    assert said("processing: the daemon on billing-1, pid 42 sends it since @", told["why"])
    host.pass_time(customer, 7200)
    host.interfere("DELETE FROM zoho_outbox_private.session")
    told = explain(host, customer)
    assert said(
        f"processing, but a process that is gone (session {daemon}) has not renewed its lease, which ended at @",
        told["why"],
    )
    assert told["next"].startswith("start the daemon")


# Between attempts.


async def test_retrying_says_when_and_after_what(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([failed(await claim_one(store), "HTTP 500: try later.\nAgain")])
    told = explain(host, customer)
    assert told["where"] == "scheduled"
    assert said("retrying: attempt 2 is made at @, after: HTTP 500: try later. Again", told["why"])
    host.interfere(PAUSED)
    assert "sending was paused by" in why(host, customer)


async def test_a_create_of_unknown_fate_is_searched_for_first(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    assert await store.commit_intent(claim, "key")
    await store.settle([failed(claim, "no answer")])
    assert said(
        "a create left at @ and its fate is unknown: Zoho is searched for it again at @, and nothing is created "
        "before that",
        why(host, customer),
    )


# Waiting. The child is a customer here, as good as any other type.


async def wait_for(
    host: Host, store: OutboxStore, awaited: Awaited, parent: UUID, named: str, *, dead: bool = False
) -> UUID:
    child = host.add_customer(99)
    claims = {claim.entity_id: claim for claim in await claim_all(store)}
    wait = verdicts.Wait(awaited, parent, dead=dead, enqueue=False)
    await store.settle([verdicts.waiting(claims[child], wait, named, read_zoho_id=None)])
    return child


async def test_waiting_names_whom_it_waits_for_as_people_know_it(host: Host, store: OutboxStore) -> None:
    parent = host.add_customer(account_number="CT-2025-00015")
    await store.settle([failed(await claim_one(store), "HTTP 500")])
    child = await wait_for(host, store, Awaited.CUSTOMER, parent, "customer CT-2025-00015")
    told = explain(host, child)
    assert (told["where"], told["why"]) == ("waiting", "waiting for customer CT-2025-00015")
    assert "zoho-outbox explain customer CT-2025-00015 says why it is not" in told["next"]
    assert (told["awaited"]["named"], told["awaited"]["phase"]) == ("customer CT-2025-00015", "scheduled")


async def test_waiting_for_a_dead_one_says_what_that_died_of(host: Host, store: OutboxStore) -> None:
    parent = host.add_customer(account_number="CT-2025-00015")
    await store.settle([died(await claim_one(store), REASON)])
    child = await wait_for(host, store, Awaited.CUSTOMER, parent, "customer CT-2025-00015, which failed", dead=True)
    assert said(f"waiting for customer CT-2025-00015, which is dead since @: {REASON}", why(host, child))


async def test_waiting_for_one_that_is_in_zoho_by_now_is_a_matter_of_moments(host: Host, store: OutboxStore) -> None:
    parent = host.add_customer(account_number="CT-2025-00015")
    await store.settle([sent(await claim_one(store))])
    child = await wait_for(host, store, Awaited.CUSTOMER, parent, "customer CT-2025-00015")
    # Settling woke it already: as it stands in the moment before.
    host.interfere(
        "UPDATE zoho_outbox_private.entity_state SET phase = 'waiting', waits_for_type = 'customer', "
        "waits_for_id = %s WHERE entity_id = %s",
        [parent, child],
    )
    assert why(host, child).endswith("customer CT-2025-00015, which is in Zoho by now")
    stop_the_daemon(host)
    assert why(host, child).endswith("no daemon is running")


async def test_waiting_for_a_row_that_is_not_there_says_to_correct_who_names_it(host: Host, store: OutboxStore) -> None:
    child = await wait_for(host, store, Awaited.INVOICE, uuid4(), "invoice X, which does not exist here")
    told = explain(host, child)
    assert told["why"] == "waiting for invoice X, which does not exist here"
    assert told["next"].startswith("correct the row that names it")
    assert told["awaited"]["exists"] is False


async def test_waiting_for_a_package_asks_for_no_explanation_of_it(host: Host, store: OutboxStore) -> None:
    child = await wait_for(host, store, Awaited.PACKAGE, uuid4(), "package Fibre 50 to be published to Zoho")
    told = explain(host, child)
    assert told["why"] == "waiting for package Fibre 50 to be published to Zoho"
    assert "explain" not in told["next"]


# At rest.


async def test_dead_says_since_when_why_and_how_to_go_on(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer(account_number="CT-1")
    await store.settle([died(await claim_one(store), REASON, zoho_code=3062)])
    told = explain(host, customer)
    assert told["where"] == "dead"
    assert said(f"dead since @: {REASON}", told["why"])
    assert "zoho-outbox sync customer CT-1" in told["next"]
    assert f"SELECT * FROM zoho_outbox_replay_entity('customer', '{customer}')" in told["next"]
    (attempt,) = told["attempts"]
    assert (attempt["status"], attempt["zoho_code"], attempt["failure_class"]) == ("failed", 3062, "permanent")


async def test_skipped_says_why(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    await store.settle([verdicts.skipped(claim, "internal_test account", read_zoho_id=None)])
    assert why(host, customer) == "skipped: internal_test account"


async def test_set_aside_says_by_whom_and_when(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([died(await claim_one(store), REASON)])
    ask(host, "SELECT * FROM public.zoho_outbox_skip(%s, 'a duplicate')", host.entry(customer)["id"])
    assert said("skipped: set aside by finance_operator at @: a duplicate", why(host, customer))


async def test_in_sync_names_the_record_and_leads_to_it(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    host.interfere("UPDATE zoho_outbox_private.installation SET zoho_organization_id = '10234695'")
    await store.settle([sent(await claim_one(store))])
    told = explain(host, customer)
    assert said("in sync since @ as Zoho customer 46001", told["why"])
    assert (told["where"], told["next"]) == ("idle", "nothing")
    assert (told["zoho_id"], told["zoho_path"], told["zoho_organization_id"]) == (
        "46001",
        "#/customers/46001",
        "10234695",
    )


async def test_a_status_that_is_yet_to_be_written_is_told(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    with host.transaction() as application:
        host.change_customer(customer, connection=application, status="active")
        await store.settle([sent(claim)])
        assert explain(host, customer)["next"] == (
            "nothing: its status columns are written as soon as the row's lock is free"
        )


async def test_an_id_that_was_cleared_by_hand_is_forgotten(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([sent(await claim_one(store))])
    host.change_customer(customer, zoho_billing_customer_id=None)
    assert why(host, customer) == "its Zoho id 46001 was cleared by hand, which means forget it"


async def test_an_id_that_was_changed_past_the_triggers_is_told_beside_the_known_one(
    host: Host, store: OutboxStore
) -> None:
    customer = host.add_customer()
    await store.settle([sent(await claim_one(store))])
    host.interfere("ALTER TABLE public.customers DISABLE TRIGGER USER")
    host.change_customer(customer, zoho_billing_customer_id="999")
    host.interfere("ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_id_set")
    assert "its id column names 999, and the record that is known to be its is 46001" in why(host, customer)


async def test_at_rest_and_not_in_zoho_says_how_to_enqueue_it(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer(account_number="CT-1")
    await store.settle([verdicts.skipped(await claim_one(store), "not yet", read_zoho_id=None)])
    host.interfere("UPDATE zoho_outbox_private.entity_state SET shown_status = NULL")
    told = explain(host, customer)
    assert told["why"].startswith("at rest and not in Zoho: ")
    assert "zoho-outbox sync customer CT-1, or UPDATE public.customers SET zoho_sync_status = 'pending'" in told["next"]


# Never captured.


def past_the_triggers(host: Host, act: Callable[[], UUID]) -> UUID:
    host.interfere("ALTER TABLE public.customers DISABLE TRIGGER USER")
    try:
        return act()
    finally:
        host.interfere(
            "DO $$ DECLARE name text; BEGIN FOR name IN SELECT tgname FROM pg_trigger "
            "WHERE tgrelid = 'public.customers'::regclass AND tgname LIKE 'zoho\\_outbox\\_%%' LOOP "
            "EXECUTE format('ALTER TABLE public.customers ENABLE ALWAYS TRIGGER %%I', name); END LOOP; END $$"
        )


async def test_never_captured_says_how_to_enqueue_it_by_command_and_by_sql(host: Host) -> None:
    customer = past_the_triggers(host, lambda: host.add_customer(account_number="CT-1"))
    told = explain(host, customer)
    assert told["where"] == "never_captured"
    assert told["why"].startswith("never captured: it has not changed since zoho-outbox was installed")
    assert told["next"].startswith(
        "to have it sent: zoho-outbox sync customer CT-1, or UPDATE public.customers SET zoho_sync_status = 'pending' "
        f"WHERE id = '{customer}'"
    )
    assert (told["state"], told["entries"], told["attempts"]) == (None, [], [])


async def test_never_captured_with_a_zoho_id_says_that_nobody_looked(host: Host) -> None:
    customer = past_the_triggers(host, lambda: host.add_customer(zoho_billing_customer_id="46009"))
    assert why(host, customer) == (
        "never captured: whether Zoho has it as 46009, as its id column says, was never looked at"
    )


@pytest.mark.parametrize("how", ["DISABLE TRIGGER zoho_outbox_inserted", "ENABLE REPLICA TRIGGER zoho_outbox_inserted"])
async def test_never_captured_because_of_a_trigger_names_it_and_how_to_have_it_back(host: Host, how: str) -> None:
    with host.connect() as owner:
        owner.execute(f"ALTER TABLE public.customers {how}".encode())
    customer = host.add_customer()
    told = explain(host, customer)
    assert told["why"] == (
        "never captured: on public.customers these triggers are missing or disabled: zoho_outbox_inserted"
    )
    assert told["next"].startswith("have the triggers back (zoho-outbox migrate; ALTER TABLE public.customers ENABLE ")


async def test_a_row_at_rest_says_that_newer_changes_may_be_missing(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([sent(await claim_one(store))])
    host.interfere("DROP TRIGGER zoho_outbox_updated ON public.customers")
    told = explain(host, customer)
    assert told["why"].endswith(
        "; newer changes may be missing: on public.customers these triggers are missing or disabled: "
        "zoho_outbox_updated"
    )
    assert "UPDATE public.customers SET zoho_sync_status" in told["next"]


# Refusals, roles, bounds.


async def test_a_row_that_nobody_knows_is_refused_with_where_to_look(host: Host) -> None:
    unknown = uuid4()
    with pytest.raises(psycopg.errors.NoDataFound, match=f"there is no customer {unknown}") as refusal:
        explain(host, unknown)
    assert "SELECT id FROM customers" in str(refusal.value.diag.message_hint)


@pytest.mark.parametrize("entity_type", ["customers", "", None])
async def test_a_type_that_does_not_exist_is_refused_with_those_that_do(host: Host, entity_type: str | None) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is no type") as refusal:
        ask(host, EXPLAIN, entity_type, uuid4())
    assert "customer, subscription, invoice or payment" in str(refusal.value.diag.message_hint)


async def test_the_daemon_s_role_asks_too(host: Host) -> None:
    customer = host.add_customer()
    with host.connect(DAEMON) as connection:
        (row,) = connection.execute(EXPLAIN, ["customer", customer]).fetchall()
    assert row["told"]["where"] == "ready"


async def test_it_writes_nothing(host: Host) -> None:
    customer = host.add_customer()
    with host.operator() as operator:
        operator.execute("SET default_transaction_read_only = on")
        assert operator.execute(EXPLAIN, ["customer", customer]).fetchall()


async def test_it_tells_nothing_that_an_operator_may_not_read(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer(first_name="Leopoldine", email="leopoldine@example.com")
    claim = await claim_one(store)
    assert await store.commit_intent(claim, "leopoldine@example.com")
    await store.settle([failed(claim, "no answer")])
    assert "eopoldine" not in str(explain(host, customer))


async def test_the_rest_is_told_where_the_owner_may_not_read_the_host_s_table(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([sent(await claim_one(store))])
    host.execute("REVOKE ALL ON public.customers FROM zoho_outbox_owner")
    host.execute(
        "REVOKE SELECT (id, account_number, zoho_billing_customer_id) ON public.customers FROM zoho_outbox_owner"
    )
    told = explain(host, customer)
    assert (told["named"], told["row"], told["row_is_there"]) == (f"customer {customer}", None, True)
    assert told["why"].startswith("in sync since ")


@pytest.mark.parametrize(
    ("entity_type", "statement"),
    [
        ("subscription", "SELECT id FROM public.customer_services LIMIT 1"),
        ("invoice", "SELECT id FROM public.customer_invoices LIMIT 1"),
        ("payment", "SELECT id FROM public.payment_transactions LIMIT 1"),
    ],
)
@pytest.mark.parametrize(
    "migrated_database",
    [HostShape(rows=True), HostShape(rows=True, columns="november_2025")],
    ids=["today", "november 2025"],
    indirect=True,
)
async def test_every_type_of_either_host_has_its_story(host: Host, entity_type: str, statement: LiteralString) -> None:
    told = explain(host, host.value(statement), entity_type)
    assert (told["type"], told["where"]) == (entity_type, "never_captured")


async def test_entries_that_no_attempt_names_are_found_among_the_newest(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    first: Any = host.entry(customer)["id"]
    await store.settle([verdicts.skipped(await claim_one(store), "internal_test account", read_zoho_id=None)])
    assert [entry["id"] for entry in explain(host, customer)["entries"]] == [first]
