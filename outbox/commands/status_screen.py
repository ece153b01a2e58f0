"""How a status looks: plain where it is piped, a rich screen on a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table

from outbox.commands.status import LeaseStatus, SessionStatus, Status, TypeCounts
from outbox.vocabulary import OrganisationState
from outbox.wording import age, columns, count, moment

COUNTS = ("eligible", "in Zoho", "pending", "waiting", "processing", "retrying", "dead", "skipped")


def plain(status: Status) -> str:
    """Lines of text, in the order in which somebody with a problem asks."""
    label = max(len(name) for name, _ in _facts(status))
    lines = [f"{name.ljust(label)}  {value}" for name, value in _facts(status)]
    rows = [(entity_type, *_cells(counts)) for entity_type, counts in status.by_type.items()]
    lines += ["", *columns(("type", *COUNTS), rows, right=frozenset(COUNTS))]
    lines += ["", "sessions", *(f"  {_session(session)}" for session in status.sessions)]
    if not status.sessions:
        lines.append("  none: nobody sends; start the daemon (systemctl start zoho-outbox)")
    if status.leases:
        lines += ["", "being sent now", *(f"  {_lease(lease)}" for lease in status.leases)]
    return "\n".join(lines)


def screen(status: Status) -> RenderableType:
    """The same for a terminal."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column()
    for name, value in _facts(status):
        facts.add_row(name, value)
    counts = Table(header_style="bold")
    counts.add_column("type")
    for heading in COUNTS:
        counts.add_column(heading, justify="right", style="red" if heading == "dead" else None)
    for entity_type, of_type in status.by_type.items():
        counts.add_row(entity_type, *_cells(of_type))
    parts: list[RenderableType] = [facts, counts]
    sessions = [_session(session) for session in status.sessions] or [
        "none: nobody sends; start the daemon (systemctl start zoho-outbox)"
    ]
    parts.append(_list("sessions", sessions))
    if status.leases:
        parts.append(_list("being sent now", [_lease(lease) for lease in status.leases]))
    return Group(*parts)


def _list(title: str, lines: list[str]) -> Table:
    table = Table(title, header_style="bold", box=None)
    for line in lines:
        table.add_row(line)
    return table


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    yield "as of", moment(status.now)
    yield "organisation", _organisation(status)
    yield "database", _database(status)
    quota = status.quota
    used = ", ".join(f"{name} {count}" for name, count in sorted(quota.used_by_urgency.items())) or "none"
    if quota.day_limit:
        yield (
            "requests today",
            f"{quota.used} of {quota.day_limit} ({used}); left for live changes {quota.left_live}, "
            f"for backfill and reconciliation {quota.left_bulk}",
        )
    else:
        yield "requests today", f"{quota.used}, without a limit ({used})"
    bucket = (
        f"{quota.minute_tokens} may leave at once, {quota.minute_limit} a minute"
        if quota.minute_limit
        else "without a limit"
    )
    yield "requests now", f"{bucket}; {quota.in_flight} of {quota.most_in_flight} in flight"
    yield "tokens minted", f"{quota.tokens_minted_24h} in 24 h"
    backlog = status.backlog
    oldest = f", the oldest {age(backlog.oldest_seconds)} old" if backlog.entries else ""
    yield "backlog", count(backlog.entries, "entry", "entries") + oldest


def _organisation(status: Status) -> str:
    organisation = status.organisation
    named = f" ({organisation.name}, {organisation.mode})" if organisation.name else ""
    heard = (
        f"last good reply {age(organisation.last_good_reply_seconds)} ago"
        if organisation.last_good_reply_seconds is not None
        else "no reply from Zoho yet"
    )
    if organisation.state is OrganisationState.RUNNING:
        return f"running{named}; {heard}"
    until = f" until {moment(organisation.until)}" if organisation.until is not None else ""
    why = (organisation.why or "no reason is known").removeprefix(f"{organisation.state} ")
    return f"{organisation.state.upper()}{named} since {moment(organisation.since)}{until}: {why}; {heard}"


def _database(status: Status) -> str:
    database = status.database
    match database.accepted:
        case None:
            text = f"{database.name}: nothing was sent from it yet"
        case True:
            text = f"{database.name}: the one that sends"
            if database.accepted_at is not None:
                text += f", accepted {moment(database.accepted_at)} by {database.accepted_by}"
        case False:
            return (
                f"{database.name}: NOT the one that was installed ({database.stored_name}); nothing is sent from it "
                "until zoho-outbox doctor --accept-database"
            )
    if database.look_first_since is not None:
        text += f"; every create looks first since {moment(database.look_first_since)}: {database.look_first_why}"
    return text


def _cells(counts: TypeCounts) -> tuple[str, ...]:
    values = (
        counts.eligible,
        counts.in_zoho,
        counts.pending,
        counts.waiting,
        counts.processing,
        counts.retrying,
        counts.dead,
        counts.skipped,
    )
    return tuple("-" if value is None else str(value) for value in values)


def _session(session: SessionStatus) -> str:
    state = "draining" if session.draining else "listening" if session.listening else "polling"
    if not session.alive:
        state = "silent, probably dead"
    elif session.kind == "command":
        state = "working"
    return (
        f"{session.kind} on {session.host}, pid {session.pid}, version {session.program_version}: {state}, "
        f"heartbeat {age(session.heartbeat_seconds)} ago"
    )


def _lease(lease: LeaseStatus) -> str:
    by = f"{lease.host}, pid {lease.pid}" if lease.host else f"session {lease.session}, which is gone"
    late = "; its lease has ended and is taken over" if lease.expired else ""
    return f"{lease.named} by {by}, for {age(lease.held_seconds)}{late}"
