"""Why a row is where it is and what to do next, in one sentence: a pure function of the facts."""

import shlex
from typing import assert_never

from outbox.commands.facts import Facts, State
from outbox.commands.wording import moment, one_line
from outbox.host_tables import HOST_TABLES
from outbox.vocabulary import Awaited, EntryStatus, OrganisationState, Phase, SyncStatus


def verdict(facts: Facts) -> str:
    """One sentence for the operator. What is being sent outranks a new change, and that outranks what was before."""
    state = facts.state
    if facts.not_admitted and (state is None or state.phase is not Phase.LEASED):
        return _pending(facts, "pending: its last change was captured and is to be sent")
    if state is None:
        return _never_captured(facts)
    match state.phase:
        case Phase.LEASED:
            return _being_sent(state)
        case Phase.READY:
            return _pending(facts, f"pending since {moment(state.due_at)}")
        case Phase.SCHEDULED:
            return _scheduled(facts, state)
        case Phase.WAITING:
            return _waiting(facts)
        case Phase.DEAD:
            return _dead(facts, state)
        case Phase.IDLE:
            return _at_rest(facts, state)
        case _:
            assert_never(state.phase)


def obstacle(facts: Facts) -> str | None:
    """What stops sending as a whole, and what ends it; None: nothing does."""
    now = facts.organisation
    nobody = "no daemon is running"
    stopped: str | None
    match now.state:
        case OrganisationState.PAUSED:
            stopped = f"sending was {now.why} (since {moment(now.since)}); zoho-outbox resume ends that"
        case OrganisationState.FORBIDDEN:
            stopped = f"Zoho refuses everything since {moment(now.since)} and a person must act: {now.why}"
        case OrganisationState.THROTTLED:
            stopped = f"sending is throttled until {moment(now.until)} and goes on by itself then: {now.why}"
        case OrganisationState.BROKEN:
            stopped = (
                f"Zoho is unwell since {moment(now.since)} ({now.why}); "
                f"it is probed again at {moment(now.until)} and sending goes on by itself"
            )
        case OrganisationState.RUNNING:
            stopped = None
        case _:
            assert_never(now.state)
    if facts.daemons:
        return stopped
    if stopped is not None:
        return f"{stopped}; besides, {nobody}"
    return (
        f"{nobody}: start it (systemctl start zoho-outbox), or send this row alone with zoho-outbox sync {facts.typed}"
    )


def _being_sent(state: State) -> str:
    if state.lease_expired:
        return (
            f"processing, but {state.holder} has not renewed its lease, which ended at {moment(state.lease_until)}: "
            "a running daemon takes it over within seconds, and looks before it creates anything"
        )
    return f"processing: {state.holder} sends it since {moment(state.leased_at)}; look again in a moment"


def _pending(facts: Facts, what: str) -> str:
    return f"{what}; {obstacle(facts) or 'a daemon takes it in its order, look again in a moment'}"


def _scheduled(facts: Facts, state: State) -> str:
    if state.fate_unknown_at is not None:
        what = (
            f"a create left at {moment(state.fate_unknown_at)} and its fate is unknown: Zoho is searched for it again "
            f"at {moment(state.due_at)}, and nothing is created before that"
        )
    else:
        what = (
            f"retrying: attempt {state.attempts + 1} is made at {moment(state.due_at)}, after: "
            f"{one_line(state.last_error)}"
        )
    hindrance = obstacle(facts)
    return what if hindrance is None else f"{what}; {hindrance}"


def _waiting(facts: Facts) -> str:
    named = next((entry.waiting_for for entry in facts.entries if entry.status is EntryStatus.WAITING), None)
    parent = facts.awaited
    if parent is None:  # The state's CHECK forbids it.
        return f"waiting for {named or 'something that nobody named'}; report it"
    own_name = f"{parent.awaited} {parent.handle}"
    named = named or own_name
    if parent.awaited is Awaited.PACKAGE:
        return f"waiting for {named}: it is sent by itself as soon as that is done"
    if parent.zoho_id is not None:
        return _pending(facts, f"waited for {named}, which is in Zoho by now")
    explain = f"zoho-outbox explain {parent.awaited} {shlex.quote(parent.handle)}"
    if parent.phase is Phase.DEAD:
        return (
            f"waiting for {own_name}, which is dead: {one_line(parent.last_error)}; when that is mended and in Zoho, "
            f"this one is sent by itself ({explain} tells more)"
        )
    if parent.exists is False and parent.phase is None:
        return f"waiting for {named}; it is sent by itself as soon as there is such a row and it is in Zoho"
    return f"waiting for {named}: it is sent by itself as soon as that is in Zoho; {explain} says why it is not"


def _dead(facts: Facts, state: State) -> str:
    since = next((attempt.created_at for attempt in facts.attempts if attempt.status == "failed"), None)
    when = f" since {moment(since)}" if since is not None else ""
    return (
        f"dead{when}: {one_line(state.last_error)}; when that is mended, edit the row or run "
        f"zoho-outbox sync {facts.typed}"
    )


def _at_rest(facts: Facts, state: State) -> str:
    in_row = ((facts.host.zoho_id if facts.host is not None else None) or "").strip() or None
    if state.shown_status == SyncStatus.SKIPPED:
        newest = next((entry.last_error for entry in facts.entries if entry.status is EntryStatus.SKIPPED), None)
        return f"skipped: {one_line(state.last_error or newest)}; nothing is sent unless the row changes"
    if state.zoho_id is None:
        return (
            "at rest and not in Zoho: its last entry was taken back before anything was sent; "
            f"to enqueue it, {_enqueue(facts)}"
        )
    if facts.host is not None and in_row is None and not state.id_not_written:
        return (
            f"its Zoho id {state.zoho_id} was cleared by hand, which means forget it: the next change, or "
            f"zoho-outbox sync {facts.typed}, searches Zoho and creates it only if it is not there"
        )
    since = state.sent_at or (facts.host.last_synced_at if facts.host is not None else None)
    late = "; its status columns are written as soon as the row's lock is free" if state.write_back_due else ""
    note = f" ({one_line(state.last_error)})" if state.last_error else ""
    return f"in sync since {moment(since)} as Zoho {facts.entity_type} {state.zoho_id}{note}: nothing to do{late}"


def _never_captured(facts: Facts) -> str:
    if not facts.host_readable:
        return (
            f"never captured, as far as this role may see: it has not changed since installation; "
            f"to enqueue it, {_enqueue(facts)}"
        )
    return (
        "never captured: it has not changed since zoho-outbox was installed, or the change went past the triggers; "
        f"to enqueue it, {_enqueue(facts)} (a row that is not to be sent is then skipped with the reason)"
    )


def _enqueue(facts: Facts) -> str:
    table = HOST_TABLES[facts.entity_type].name
    by_sql = f"UPDATE public.{table} SET zoho_sync_status = 'pending' WHERE id = '{facts.entity_id}'"  # noqa: S608
    return f"zoho-outbox sync {facts.typed}, or {by_sql}"
