"""The sentence of ``explain``, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from outbox.commands.facts import Attempt, AwaitedRow, Entry, Facts, Holder, HostRow, State
from outbox.commands.verdict import verdict
from outbox.store.organisation import OrganisationNow
from outbox.vocabulary import Awaited, EntityType, EntryStatus, OrganisationState, Outcome, Phase

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=5)
LATER = NOW + timedelta(minutes=5)
ID = UUID("00000000-0000-4000-8000-0000000c0001")
PARENT = UUID("00000000-0000-4000-8000-0000000c0015")

RUNNING = OrganisationNow(OrganisationState.RUNNING, None, None, None, False, NOW)
PAUSED = OrganisationNow(OrganisationState.PAUSED, EARLIER, None, "paused by alice: month end", False, NOW)
THROTTLED = OrganisationNow(OrganisationState.THROTTLED, EARLIER, LATER, "code 44: too many", False, NOW)
FORBIDDEN = OrganisationNow(OrganisationState.FORBIDDEN, EARLIER, LATER, "code 57: mend the scope", False, NOW)
BROKEN = OrganisationNow(OrganisationState.BROKEN, EARLIER, LATER, "HTTP 500", False, NOW)

HOST = HostRow("CT-2025-00001", None, "pending", None, None)
STATE = State(
    phase=Phase.READY,
    due_at=EARLIER,
    attempts=0,
    zoho_id=None,
    sent_at=None,
    fate_unknown_at=None,
    host_deleted_at=None,
    waits_for=None,
    last_error=None,
    shown_status=None,
    write_back_due=None,
    id_not_written=False,
    leased_at=None,
    lease_until=None,
    lease_expired=False,
    holder=None,
)
ENTRY = Entry(
    id=7,
    created_at=EARLIER,
    change="updated",
    origin="trigger",
    requested_by=None,
    priority=10,
    admitted=True,
    status=EntryStatus.PENDING,
    outcome=None,
    attempts=0,
    next_attempt_at=None,
    finished_at=None,
    waiting_for=None,
    last_error=None,
    zoho_id=None,
)
FACTS = Facts(
    entity_type=EntityType.CUSTOMER,
    entity_id=ID,
    now=NOW,
    host=HOST,
    host_readable=True,
    state=STATE,
    not_admitted=0,
    entries=(ENTRY,),
    attempts=(),
    organisation=RUNNING,
    daemons=1,
    awaited=None,
)
IN_SYNC = replace(STATE, phase=Phase.IDLE, zoho_id="46001", sent_at=EARLIER, shown_status="synced")
SYNC_IT = "zoho-outbox sync customer CT-2025-00001"


def test_pending_beside_a_daemon_needs_nobody() -> None:
    assert verdict(FACTS) == (
        "pending since 2026-01-15 11:55:00 UTC; a daemon takes it in its order, look again in a moment"
    )


def test_pending_and_nobody_runs() -> None:
    assert verdict(replace(FACTS, daemons=0)) == (
        "pending since 2026-01-15 11:55:00 UTC; no daemon is running: start it (systemctl start zoho-outbox), "
        f"or send this row alone with {SYNC_IT}"
    )


@pytest.mark.parametrize(
    ("organisation", "said"),
    [
        (
            PAUSED,
            "sending was paused by alice: month end (since 2026-01-15 11:55:00 UTC); zoho-outbox resume ends that",
        ),
        (THROTTLED, "sending is throttled until 2026-01-15 12:05:00 UTC and goes on by itself then: code 44: too many"),
        (
            FORBIDDEN,
            "Zoho refuses everything since 2026-01-15 11:55:00 UTC and a person must act: code 57: mend the scope",
        ),
        (
            BROKEN,
            "Zoho is unwell since 2026-01-15 11:55:00 UTC (HTTP 500); it is probed again at 2026-01-15 12:05:00 UTC "
            "and sending goes on by itself",
        ),
    ],
)
def test_pending_says_what_stops_sending_as_a_whole(organisation: OrganisationNow, said: str) -> None:
    stopped = replace(FACTS, organisation=organisation)
    assert verdict(stopped) == f"pending since 2026-01-15 11:55:00 UTC; {said}"
    assert verdict(replace(stopped, daemons=0)).endswith(f"{said}; besides, no daemon is running")


def test_a_change_that_nobody_admitted_yet_is_pending_whatever_was_before() -> None:
    for state in (None, IN_SYNC, replace(STATE, phase=Phase.DEAD)):
        assert verdict(replace(FACTS, state=state, not_admitted=1)).startswith(
            "pending: its last change was captured and is to be sent; "
        )


def test_being_sent_names_the_holder() -> None:
    held = replace(
        STATE, phase=Phase.LEASED, leased_at=EARLIER, lease_until=LATER, holder=Holder(ID, "daemon", "billing-1", 42)
    )
    assert verdict(replace(FACTS, state=held, not_admitted=1)) == (
        "processing: the daemon on billing-1, pid 42 sends it since 2026-01-15 11:55:00 UTC; look again in a moment"
    )
    lost = replace(held, lease_expired=True, lease_until=EARLIER, holder=Holder(ID, None, None, None))
    assert verdict(replace(FACTS, state=lost)).startswith(
        f"processing, but a process that is gone (session {ID}) has not renewed its lease, which ended at 2026-01-15 "
    )


def test_retrying_says_when_and_after_what() -> None:
    state = replace(STATE, phase=Phase.SCHEDULED, due_at=LATER, attempts=2, last_error="HTTP 500: try later.\nAgain")
    assert verdict(replace(FACTS, state=state)) == (
        "retrying: attempt 3 is made at 2026-01-15 12:05:00 UTC, after: HTTP 500: try later. Again"
    )
    assert verdict(replace(FACTS, state=state, organisation=PAUSED)).endswith("zoho-outbox resume ends that")


def test_a_create_of_unknown_fate_is_searched_for_first() -> None:
    state = replace(STATE, phase=Phase.SCHEDULED, due_at=LATER, attempts=1, fate_unknown_at=EARLIER)
    assert verdict(replace(FACTS, state=state)) == (
        "a create left at 2026-01-15 11:55:00 UTC and its fate is unknown: Zoho is searched for it again at "
        "2026-01-15 12:05:00 UTC, and nothing is created before that"
    )


CUSTOMER = AwaitedRow(Awaited.CUSTOMER, PARENT, "CT-2025-00015", True, Phase.READY, None, None)


def waiting(parent: AwaitedRow, named: str | None) -> Facts:
    """A row that waits for ``parent``, which its entry calls ``named``."""
    state = replace(STATE, phase=Phase.WAITING, waits_for=(parent.awaited, parent.id))
    entry = replace(ENTRY, status=EntryStatus.WAITING, waiting_for=named)
    return replace(FACTS, state=state, awaited=parent, entries=(entry,) if named else ())


@pytest.mark.parametrize(
    ("awaited", "handle", "named"),
    [
        (Awaited.CUSTOMER, "CT-2025-00015", "customer CT-2025-00015"),
        (Awaited.SUBSCRIPTION, str(PARENT), f"the subscription of service {PARENT}"),
        (Awaited.INVOICE, "INV-7", "invoice INV-7, which is a draft: it is sent when it is issued"),
    ],
)
def test_waiting_names_whom_it_waits_for_as_people_know_it(awaited: Awaited, handle: str, named: str) -> None:
    parent = replace(CUSTOMER, awaited=awaited, handle=handle)
    ask = f"it is sent by itself as soon as that is in Zoho; zoho-outbox explain {awaited} {handle} says why it is not"
    assert verdict(waiting(parent, named)) == f"waiting for {named}: {ask}"
    assert verdict(waiting(parent, None)) == f"waiting for {awaited} {handle}: {ask}"


def test_waiting_for_a_package_says_what_it_lacks_and_asks_for_no_explanation_of_it() -> None:
    package = AwaitedRow(Awaited.PACKAGE, PARENT, str(PARENT), None, None, None, None)
    named = "package Fibre 50/50 to be published to Zoho (its service_packages.sku is empty: set it to the plan_code)"
    assert verdict(waiting(package, named)) == f"waiting for {named}: it is sent by itself as soon as that is done"


def test_waiting_for_a_dead_one_says_what_that_died_of() -> None:
    parent = replace(CUSTOMER, phase=Phase.DEAD, last_error="code 4: give the customer an e-mail")
    assert verdict(waiting(parent, "customer CT-2025-00015, which failed: see its error")) == (
        "waiting for customer CT-2025-00015, which is dead: code 4: give the customer an e-mail; when that is mended "
        "and in Zoho, this one is sent by itself (zoho-outbox explain customer CT-2025-00015 tells more)"
    )


def test_waiting_for_one_that_is_in_zoho_by_now_is_a_matter_of_moments() -> None:
    parent = replace(CUSTOMER, phase=Phase.IDLE, zoho_id="46001")
    facts = waiting(parent, "customer CT-2025-00015")
    assert verdict(facts).startswith("waited for customer CT-2025-00015, which is in Zoho by now; a daemon takes it ")
    assert "no daemon is running" in verdict(replace(facts, daemons=0))


def test_waiting_for_a_row_that_is_not_there_asks_for_no_explanation_of_it() -> None:
    parent = replace(CUSTOMER, awaited=Awaited.INVOICE, handle=str(PARENT), exists=False, phase=None)
    named = f"invoice {PARENT}, which does not exist here: correct the row that names it"
    assert verdict(waiting(parent, named)) == (
        f"waiting for {named}; it is sent by itself as soon as there is such a row and it is in Zoho"
    )


def test_commands_to_type_are_quoted_for_a_shell() -> None:
    facts = replace(FACTS, entity_type=EntityType.INVOICE, host=replace(HOST, known_as="INV 7"), daemons=0)
    assert verdict(facts).endswith("zoho-outbox sync invoice 'INV 7'")


def test_dead_says_since_when_why_and_how_to_go_on() -> None:
    state = replace(STATE, phase=Phase.DEAD, last_error="code 4: give the customer an e-mail")
    attempt = Attempt(EARLIER, "failed", 1, 12, 1, 4, "permanent", None, 7, "code 4: give the customer an e-mail")
    assert verdict(replace(FACTS, state=state, attempts=(attempt,))) == (
        "dead since 2026-01-15 11:55:00 UTC: code 4: give the customer an e-mail; when that is mended, edit the row "
        f"or run {SYNC_IT}"
    )


def test_skipped_says_why() -> None:
    state = replace(STATE, phase=Phase.IDLE, shown_status="skipped", last_error="internal_test account")
    said = "skipped: internal_test account; nothing is sent unless the row changes"
    assert verdict(replace(FACTS, state=state)) == said
    entry = replace(ENTRY, status=EntryStatus.SKIPPED, outcome=Outcome.INELIGIBLE, last_error="internal_test account")
    assert verdict(replace(FACTS, state=replace(state, last_error=None), entries=(entry,))) == said


def test_in_sync_needs_nothing() -> None:
    facts = replace(FACTS, state=IN_SYNC, host=replace(HOST, zoho_id="46001"), daemons=0)
    assert verdict(facts) == "in sync since 2026-01-15 11:55:00 UTC as Zoho customer 46001: nothing to do"
    late = replace(facts, state=replace(IN_SYNC, write_back_due=NOW, id_not_written=True), host=HOST)
    assert verdict(late).endswith("its status columns are written as soon as the row's lock is free")


def test_an_id_that_was_cleared_by_hand_is_forgotten() -> None:
    assert verdict(replace(FACTS, state=IN_SYNC)) == (
        "its Zoho id 46001 was cleared by hand, which means forget it: the next change, or "
        f"{SYNC_IT}, searches Zoho and creates it only if it is not there"
    )


def test_at_rest_and_not_in_zoho_says_how_to_enqueue_it() -> None:
    done = replace(ENTRY, status=EntryStatus.SKIPPED, outcome=Outcome.SET_ASIDE)
    facts = replace(FACTS, state=replace(STATE, phase=Phase.IDLE), entries=(done,))
    assert verdict(facts).startswith("at rest and not in Zoho: ")
    assert SYNC_IT in verdict(facts)


def test_never_captured_says_how_to_enqueue_it_by_command_and_by_sql() -> None:
    facts = replace(FACTS, state=None, entries=())
    assert verdict(facts).startswith("never captured: it has not changed since zoho-outbox was installed")
    assert verdict(facts).endswith(
        f"to enqueue it, {SYNC_IT}, or UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = '{ID}' "
        "(a row that is not to be sent is then skipped with the reason)"
    )


def test_a_row_that_may_not_be_read_is_named_by_its_id() -> None:
    facts = replace(FACTS, state=None, entries=(), host=None, host_readable=False)
    assert verdict(facts).startswith("never captured, as far as this role may see")
    assert f"zoho-outbox sync customer {ID}" in verdict(facts)
