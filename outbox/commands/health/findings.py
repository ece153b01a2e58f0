"""From readings to findings: pure functions, one a check of interface.md's Health section.

Four states. *healthy*: nothing to do. *degraded*: somebody looks at it today. *unhealthy*: somebody looks at it now.
*unknown*: it could not be told, which is never healthy. A report is as bad as its worst finding; unknown is worse than
degraded (nobody knows what hides behind it) and less bad than unhealthy (what is known to be broken is known).

Where interface.md leaves something open, it was decided here:

- *Pending* counts from when a row became due, not from its change: what waited for its customer for a week is not late
  in the moment after that. Backfill and reconciliation aside.
- *Retrying* counts from the first attempt of the series.
- *Past due* are next attempts that should have been made at least ``OUTBOX_POLL_SECONDS`` ago: one that is due this
  moment is not late. What is due for the first time is pending, and no part of it.
- A *failure* is an attempt that ended as dead (``zoho_sync_logs.status`` failed). One that is tried again is none yet;
  *success over 7 days* is the share of the successes among what ended, 100 % where nothing did.
- *Any 429* and the failures of a day look 24 hours back (refusals are counted by day, so those of a day whose last one
  is that young); mean send, like success, seven days.
- *Customers affected* are those of whom something is dead now: a failure that was mended affects nobody.
- *Synced* is the share of eligible rows, all types together, that have a Zoho id: by type, one new row among two would
  be half of them.
- *No daemon or a stalled one*: none was heard of within ``HEALTH_STALLED_SECONDS``, or all that were are draining. A
  dead replica's session beside a living one is nothing: it stays for a day after a SIGKILL.
- *A trigger missing or disabled* is every capture trigger and every guard that is not there ENABLE ALWAYS.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, assert_never

from pydantic import SecretStr

from outbox.commands.status import StatusSettings
from outbox.host_tables import HOST_TABLES, READ_TABLES
from outbox.migration.host_shape import OUTBOX_TABLE
from outbox.migration.steps import (
    ENTITY_TRIGGERS,
    GUARD_TRIGGERS,
    PUBLISHING_TRIGGERS,
    SERVICE_CUSTOMER_TRIGGERS,
)
from outbox.settings import AtLeastOne, Percent, Seconds, Settings
from outbox.store.health import Attempts, Base, Beyond, Daemon, Holder, Stops, Synced, Throttling, Trigger
from outbox.vocabulary import OrganisationState
from outbox.wording import age, count, moment, one_line


class HealthSettings(StatusSettings):
    """The database, every threshold, what makes rows eligible, and whom to tell. No credentials of Zoho's."""

    outbox_poll_seconds: Seconds = Settings.model_fields["outbox_poll_seconds"].default
    health_pending_seconds: Seconds = Settings.model_fields["health_pending_seconds"].default
    health_retrying_seconds: Seconds = Settings.model_fields["health_retrying_seconds"].default
    health_processing_seconds: Seconds = Settings.model_fields["health_processing_seconds"].default
    health_past_due_count: AtLeastOne = Settings.model_fields["health_past_due_count"].default
    health_dead_count: AtLeastOne = Settings.model_fields["health_dead_count"].default
    health_synced_percent: Percent = Settings.model_fields["health_synced_percent"].default
    health_success_percent: Percent = Settings.model_fields["health_success_percent"].default
    health_mean_send_seconds: Seconds = Settings.model_fields["health_mean_send_seconds"].default
    health_week_failures: AtLeastOne = Settings.model_fields["health_week_failures"].default
    health_throttled_count: AtLeastOne = Settings.model_fields["health_throttled_count"].default
    health_failure_age_days: AtLeastOne = Settings.model_fields["health_failure_age_days"].default
    health_notification_queue_percent: Percent = Settings.model_fields["health_notification_queue_percent"].default
    health_snapshot_seconds: Seconds = Settings.model_fields["health_snapshot_seconds"].default
    health_day_failures: AtLeastOne = Settings.model_fields["health_day_failures"].default
    health_affected_customers: AtLeastOne = Settings.model_fields["health_affected_customers"].default
    health_stalled_seconds: Seconds = Settings.model_fields["health_stalled_seconds"].default
    health_reply_age_seconds: Seconds = Settings.model_fields["health_reply_age_seconds"].default
    alert_urls: Annotated[tuple[SecretStr, ...], *Settings.model_fields["alert_urls"].metadata] = ()


class State(StrEnum):
    """How it stands with one check, with a category, or with all."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    UNHEALTHY = "unhealthy"


SEVERITY = tuple(State)
"""From the best to the worst."""


class Category(StrEnum):
    """What a check is about."""

    DATABASE_STATUS = "database_status"
    LAST_24_HOURS = "last_24_hours"
    ZOHO_CONNECTIVITY = "zoho_connectivity"
    DATA_INTEGRITY = "data_integrity"


class Check(StrEnum):
    """Every check, by a name that is stable."""

    DATABASE = "database"
    DAEMON = "daemon"
    PENDING = "pending"
    RETRYING = "retrying"
    PROCESSING = "processing"
    PAST_DUE = "past_due"
    NOTIFICATION_QUEUE = "notification_queue"
    SNAPSHOT = "snapshot"
    DAY_FAILURES = "day_failures"
    WEEK_FAILURES = "week_failures"
    SUCCESS = "success"
    MEAN_SEND = "mean_send"
    THROTTLED = "throttled"
    ORGANISATION = "organisation"
    REPLY = "reply"
    TRIGGERS = "triggers"
    SYNCED = "synced"
    DEAD = "dead"
    OLD_FAILURES = "old_failures"
    AFFECTED_CUSTOMERS = "affected_customers"


CATEGORIES: dict[Category, tuple[Check, ...]] = {
    Category.DATABASE_STATUS: (
        Check.DATABASE,
        Check.DAEMON,
        Check.PENDING,
        Check.RETRYING,
        Check.PROCESSING,
        Check.PAST_DUE,
        Check.NOTIFICATION_QUEUE,
        Check.SNAPSHOT,
    ),
    Category.LAST_24_HOURS: (
        Check.DAY_FAILURES,
        Check.WEEK_FAILURES,
        Check.SUCCESS,
        Check.MEAN_SEND,
        Check.THROTTLED,
    ),
    Category.ZOHO_CONNECTIVITY: (Check.ORGANISATION, Check.REPLY),
    Category.DATA_INTEGRITY: (
        Check.TRIGGERS,
        Check.SYNCED,
        Check.DEAD,
        Check.OLD_FAILURES,
        Check.AFFECTED_CUSTOMERS,
    ),
}


@dataclass(frozen=True)
class CouldNot:
    """In place of a reading that could not be made: why, and what lets it be made."""

    why: str
    next_step: str
    no_answer: bool = False
    """The database did not answer: perhaps it is gone."""


@dataclass(frozen=True)
class Finding:
    """What one check says."""

    check: Check
    state: State
    what: str
    """One sentence; of what is healthy, the figure."""
    count: int | None = None
    """How many; of what could not be told, None."""
    example: str | None = None
    """A row by the name that people know it by; of a session, who it is."""
    next_step: str | None = None

    @property
    def category(self) -> Category:
        """What the check is about."""
        return next(category for category, checks in CATEGORIES.items() if self.check in checks)


@dataclass(frozen=True)
class ZohoAnswer:
    """What Zoho said when it was asked just now. ``refused``: in its words; None: it answered well."""

    refused: str | None = None
    advice: str | None = None
    throttled: bool = False


@dataclass(frozen=True)
class NotAsked:
    """In place of an answer: our own state lets no request leave, and the finding follows that state."""

    state: OrganisationState
    why: str
    next_step: str


@dataclass(frozen=True)
class Evidence:
    """Everything that was read, each reading or why it could not be made."""

    base: Base | CouldNot
    daemons: Sequence[Daemon] | CouldNot
    pending: Beyond | CouldNot
    retrying: Beyond | CouldNot
    processing: Beyond | CouldNot
    past_due: Beyond | CouldNot
    holders: Sequence[Holder] | CouldNot
    attempts: Attempts | CouldNot
    throttling: Throttling | CouldNot
    stops: Stops | CouldNot
    triggers: Sequence[Trigger] | CouldNot
    synced: Sequence[Synced] | CouldNot
    dead: Beyond | CouldNot
    old_failures: Beyond | CouldNot
    affected: Beyond | CouldNot
    answer: ZohoAnswer | NotAsked | CouldNot | None = field(default=None)
    """Of a request that was spent on asking; None: none was needed."""


def worst(states: Iterable[State]) -> State:
    """The worst of them; healthy where there is none."""
    return max(states, key=SEVERITY.index, default=State.HEALTHY)


def findings(evidence: Evidence, settings: HealthSettings) -> tuple[Finding, ...]:
    """One finding a check, in the order of :class:`Check`."""
    return (
        _database(evidence.base),
        daemon(evidence.daemons, settings),
        _pending(evidence.pending, settings),
        _retrying(evidence.retrying, settings),
        _processing(evidence.processing, settings),
        _past_due(evidence.past_due, settings),
        _notification_queue(evidence.base, settings),
        _snapshot(evidence.holders, settings),
        _day_failures(evidence.attempts, settings),
        _week_failures(evidence.attempts, settings),
        _success(evidence.attempts, settings),
        _mean_send(evidence.attempts, settings),
        _throttled(evidence.throttling, evidence.answer, settings),
        organisation(evidence.stops),
        _reply(evidence.stops, evidence.answer, settings),
        triggers(evidence.triggers),
        _synced(evidence.synced, settings),
        _dead(evidence.dead, settings),
        _old_failures(evidence.old_failures, settings),
        _affected(evidence.affected, settings),
    )


def without_database(why: str) -> Evidence:
    """Nothing can be read."""
    lost = CouldNot(why, "Check DATABASE_URL and the server.")
    rest = CouldNot("the database is not reachable", "Bring it back first.")
    return Evidence(lost, *(rest,) * 14)


def _unknown(check: Check, reading: CouldNot) -> Finding:
    return Finding(check, State.UNKNOWN, f"could not tell: {reading.why}", next_step=reading.next_step)


def _explain(example: str | None, more: str) -> str:
    return more if example is None else f"{explain_command(example)} tells about one. {more}"


def explain_command(example: str) -> str:
    """What to type to have a row explained ('invoice INV-1').

    Quoted for a shell: a name may be somebody else's text (a ``transaction_id`` is a payment provider's), and people
    paste what mails and chats tell them to type.
    """
    entity_type, _, name = example.partition(" ")
    return f"zoho-outbox explain {shlex.quote(entity_type)} {shlex.quote(name)}"


# Database status.


def _database(reading: Base | CouldNot) -> Finding:
    if isinstance(reading, CouldNot):
        return Finding(Check.DATABASE, State.UNHEALTHY, f"not reachable: {reading.why}", next_step=reading.next_step)
    return Finding(Check.DATABASE, State.HEALTHY, f"{reading.database_name} answers")


def daemon(reading: Sequence[Daemon] | CouldNot, settings: HealthSettings) -> Finding:
    """Whether one sends, as far as its heartbeat tells."""
    if isinstance(reading, CouldNot):
        return _unknown(Check.DAEMON, reading)
    heard = [each for each in reading if each.silent_seconds <= settings.health_stalled_seconds]
    working = [each for each in heard if not each.draining]
    if working:
        return Finding(Check.DAEMON, State.HEALTHY, f"{count(len(working), 'daemon', 'daemons')} working", len(working))
    start = "systemctl status zoho-outbox says why, systemctl restart zoho-outbox starts it. Changes wait meanwhile."
    if heard:
        last = heard[0]
        what = "no daemon: the last one is draining, and nothing is claimed any more"
        return Finding(Check.DAEMON, State.UNHEALTHY, what, 0, _process(last), start)
    if reading:
        last = reading[0]
        what = f"no daemon: the last one has been silent for {age(last.silent_seconds)}, it hangs or was killed"
        return Finding(Check.DAEMON, State.UNHEALTHY, what, 0, _process(last), start)
    return Finding(Check.DAEMON, State.UNHEALTHY, "no daemon: nobody sends", 0, next_step=start)


def _process(session: Daemon) -> str:
    return f"daemon on {session.host}, pid {session.pid}"


def _beyond(
    check: Check, reading: Beyond | CouldNot, at_least: int, *, fine: str, what: str, next_step: str
) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(check, reading)
    if reading.entities < at_least:
        return Finding(check, State.HEALTHY, fine, reading.entities)
    since = "" if reading.since is None else f", the oldest since {moment(reading.since)}"
    text = what.format(counted=f"{reading.counted} {'row' if reading.entities == 1 else 'rows'}") + since
    return Finding(check, State.DEGRADED, text, reading.entities, reading.example, _explain(reading.example, next_step))


def _pending(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    limit = age(settings.health_pending_seconds)
    return _beyond(
        Check.PENDING,
        reading,
        1,
        fine=f"nothing is pending for more than {limit}",
        what=f"{{counted}} pending for more than {limit}",
        next_step="zoho-outbox status says what stops sending (a pause, the day's quota, no daemon).",
    )


def _retrying(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    limit = age(settings.health_retrying_seconds)
    return _beyond(
        Check.RETRYING,
        reading,
        1,
        fine=f"nothing is retried for more than {limit}",
        what=f"{{counted}} retrying for more than {limit}",
        next_step="It goes on by itself; zoho-outbox retry-failed tries at once.",
    )


def _processing(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    limit = age(settings.health_processing_seconds)
    return _beyond(
        Check.PROCESSING,
        reading,
        1,
        fine=f"nothing is being sent for more than {limit}",
        what=f"{{counted}} processing for more than {limit}",
        next_step="A lease that has ended is taken over by any daemon; systemctl restart zoho-outbox where one hangs.",
    )


def _past_due(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    return _beyond(
        Check.PAST_DUE,
        reading,
        settings.health_past_due_count,
        fine=f"fewer than {settings.health_past_due_count} are past due",
        what="the next attempt of {counted} is past due",
        next_step="zoho-outbox status says what stops sending.",
    )


def _notification_queue(reading: Base | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.NOTIFICATION_QUEUE, CouldNot("the database is not reachable", "Bring it back first."))
    percent = reading.notification_queue * 100
    text = f"PostgreSQL's notification queue is {percent:.3g} % full"
    if percent <= settings.health_notification_queue_percent:
        return Finding(Check.NOTIFICATION_QUEUE, State.HEALTHY, text)
    return Finding(
        Check.NOTIFICATION_QUEUE,
        State.DEGRADED,
        text,
        next_step="A session that listens and does not read holds it: end the oldest one that is idle in a "
        "transaction (pg_stat_activity). At 50 % our triggers stop ringing, at 100 % every COMMIT that notifies fails.",
    )


def _snapshot(reading: Sequence[Holder] | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.SNAPSHOT, reading)
    limit = settings.health_snapshot_seconds
    old = sorted(
        (holder for holder in reading if holder.seconds is not None and holder.seconds > limit),
        key=lambda holder: -(holder.seconds or 0.0),
    )
    if old:
        first = old[0]
        if first.kind == "prepared":
            end = f"ROLLBACK PREPARED '{first.gid}' (or COMMIT PREPARED) ends it."
        else:
            end = f"SELECT pg_terminate_backend({first.pid}) ends it, if its owner agrees."
        return Finding(
            Check.SNAPSHOT,
            State.DEGRADED,
            f"{count(len(old), 'old snapshot holds', 'old snapshots hold')} back vacuum, the oldest for "
            f"{age(first.seconds)}: every claim gets slower",
            len(old),
            _holder(first),
            end,
        )
    hidden = [holder for holder in reading if holder.seconds is None]
    if hidden:
        return _unknown(
            Check.SNAPSHOT,
            CouldNot(
                f"{_holder(hidden[0])} holds a snapshot, and this role may not see since when",
                "GRANT pg_read_all_stats TO the role in DATABASE_URL, or look as a superuser: SELECT pid, xact_start "
                "FROM pg_stat_activity.",
            ),
        )
    return Finding(Check.SNAPSHOT, State.HEALTHY, f"no snapshot is older than {age(limit)}", 0)


def _holder(holder: Holder) -> str:
    since = "" if holder.since is None else f", since {moment(holder.since)}"
    if holder.kind == "prepared":
        return f"prepared transaction {holder.gid} of {holder.user_name}{since}"
    application = f" ({holder.application_name})" if holder.application_name else ""
    return f"pid {holder.pid}, user {holder.user_name}{application}{since}"


# The last 24 hours, and the seven days of which they are part.


def _attempts_window(reading: Attempts) -> str:
    return "" if reading.complete else f" (of the newest {reading.attempts} attempts, since {moment(reading.since)})"


FIX_DEAD = "When the cause is mended: zoho-outbox retry-failed, or edit the row."


def _day_failures(reading: Attempts | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.DAY_FAILURES, reading)
    failed = reading.day_failures
    what = f"{count(failed, 'failure', 'failures')} in 24 hours{_attempts_window(reading)}"
    if failed < settings.health_day_failures:
        return Finding(Check.DAY_FAILURES, State.HEALTHY, what, failed)
    return Finding(
        Check.DAY_FAILURES, State.UNHEALTHY, what, failed, reading.example, _explain(reading.example, FIX_DEAD)
    )


def _week_failures(reading: Attempts | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.WEEK_FAILURES, reading)
    failed = reading.week_failures
    what = f"{count(failed, 'failure', 'failures')} in 7 days{_attempts_window(reading)}"
    if failed < settings.health_week_failures:
        return Finding(Check.WEEK_FAILURES, State.HEALTHY, what, failed)
    return Finding(
        Check.WEEK_FAILURES, State.DEGRADED, what, failed, reading.example, _explain(reading.example, FIX_DEAD)
    )


def _success(reading: Attempts | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.SUCCESS, reading)
    ended = reading.week_successes + reading.week_failures
    if not ended:
        return Finding(Check.SUCCESS, State.HEALTHY, "nothing was sent in 7 days", 0)
    # In whole numbers: 98 % of 50 is 49, and no rounding may make more of it.
    low = reading.week_successes * 100 <= settings.health_success_percent * ended
    percent = reading.week_successes * 100 / ended
    what = f"{percent:.1f} % success over 7 days: {reading.week_successes} of {ended}{_attempts_window(reading)}"
    if not low or not reading.week_failures:
        return Finding(Check.SUCCESS, State.HEALTHY, what, reading.week_failures)
    return Finding(
        Check.SUCCESS,
        State.DEGRADED,
        what,
        reading.week_failures,
        reading.example,
        _explain(reading.example, "The view zoho_outbox_dead groups what failed by its cause."),
    )


def _mean_send(reading: Attempts | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.MEAN_SEND, reading)
    mean = reading.mean_seconds
    if mean is None:
        return Finding(Check.MEAN_SEND, State.HEALTHY, "nothing was sent in 7 days")
    what = f"a send takes {mean:.2f} s on average, over 7 days{_attempts_window(reading)}"
    if mean < settings.health_mean_send_seconds:
        return Finding(Check.MEAN_SEND, State.HEALTHY, what)
    return Finding(
        Check.MEAN_SEND,
        State.DEGRADED,
        what,
        next_step="zoho-outbox health-check --detailed shows percentiles by type; look at the network to Zoho and at "
        "Zoho's status page.",
    )


def _throttled(
    reading: Throttling | CouldNot, answer: ZohoAnswer | NotAsked | CouldNot | None, settings: HealthSettings
) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.THROTTLED, reading)
    # A request that was refused just now is counted by whoever sends next.
    hits = reading.hits or int(isinstance(answer, ZohoAnswer) and answer.throttled)
    if hits < settings.health_throttled_count:
        return Finding(Check.THROTTLED, State.HEALTHY, f"{count(hits, 'reply', 'replies')} 429 in 24 hours", hits)
    last = "" if reading.last_at is None else f", the last at {moment(reading.last_at)}: {one_line(reading.last_why)}"
    return Finding(
        Check.THROTTLED,
        State.DEGRADED,
        f"{count(hits, 'reply', 'replies')} 429{last}",
        hits,
        next_step="Sending waits by itself. Where it happens often: lower ZOHO_REQUESTS_PER_MINUTE, "
        "ZOHO_DAILY_REQUEST_LIMIT or ZOHO_MAX_CONCURRENCY, and see who else uses this organisation's API.",
    )


# Connectivity.


def organisation(reading: Stops | CouldNot) -> Finding:
    """Whether sending as a whole is refused, or Zoho unwell; a pause is somebody's wish."""
    if isinstance(reading, CouldNot):
        return _unknown(Check.ORGANISATION, reading)
    if reading.forbidden_at is not None:
        return Finding(
            Check.ORGANISATION,
            State.UNHEALTHY,
            f"forbidden: Zoho refuses everything since {moment(reading.forbidden_at)}: {reading.forbidden_why}",
            next_step="Mend what it says; zoho-outbox doctor tells secret, region, scope and organisation apart. It is "
            "tried again every 15 minutes, and at each start of the daemon.",
        )
    if reading.broken_at is not None:
        return Finding(
            Check.ORGANISATION,
            State.UNHEALTHY,
            f"broken: Zoho is unwell since {moment(reading.broken_at)}: {reading.broken_why}",
            next_step="One request tries now and then until it answers; look at Zoho's status page, and at name "
            "resolution, TLS and the proxy of this machine.",
        )
    if reading.paused_at is not None:
        why = reading.paused_why or "no reason given"
        what = f"paused since {moment(reading.paused_at)} by {reading.paused_by}: {why}"
        return Finding(Check.ORGANISATION, State.HEALTHY, what, next_step="zoho-outbox resume ends it.")
    return Finding(Check.ORGANISATION, State.HEALTHY, "nothing stops sending")


def asks_zoho(reading: Stops | CouldNot, settings: HealthSettings, *, detailed: bool) -> bool:
    """Whether a request must be spent to tell the connection's state."""
    if isinstance(reading, CouldNot):
        return False
    return detailed or _reply_seconds(reading) is None or not _is_fresh(reading, settings)


def _reply_seconds(reading: Stops) -> float | None:
    good = reading.last_good_reply_at
    return None if good is None else (reading.now - good).total_seconds()


def _is_fresh(reading: Stops, settings: HealthSettings) -> bool:
    seconds = _reply_seconds(reading)
    return seconds is not None and seconds <= settings.health_reply_age_seconds


def _reply(
    reading: Stops | CouldNot, answer: ZohoAnswer | NotAsked | CouldNot | None, settings: HealthSettings
) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.REPLY, reading)
    seconds = _reply_seconds(reading)
    ago = "Zoho never answered yet" if seconds is None else f"Zoho last answered well {age(seconds)} ago"
    if isinstance(answer, ZohoAnswer):
        if answer.refused is None:
            return Finding(Check.REPLY, State.HEALTHY, "Zoho answered just now")
        state = State.DEGRADED if answer.throttled else State.UNHEALTHY
        return Finding(
            Check.REPLY, state, f"Zoho was asked and failed: {answer.refused}; {ago}", next_step=answer.advice
        )
    if _is_fresh(reading, settings):
        return Finding(Check.REPLY, State.HEALTHY, ago)
    if isinstance(answer, NotAsked):
        what = f"{ago}, and no request may leave while the organisation is {answer.state}: {answer.why}"
        return Finding(Check.REPLY, _stopped_is(answer.state), what, next_step=answer.next_step)
    if answer is None:
        answer = CouldNot("nobody asked it", "zoho-outbox health-check --detailed asks.")
    return Finding(Check.REPLY, State.UNKNOWN, f"could not tell: {ago}, and {answer.why}", next_step=answer.next_step)


def _stopped_is(state: OrganisationState) -> State:
    match state:
        case OrganisationState.PAUSED:
            # Somebody's wish; what it keeps waiting is found by the other checks.
            return State.HEALTHY
        case OrganisationState.THROTTLED:
            return State.DEGRADED
        case OrganisationState.BROKEN | OrganisationState.FORBIDDEN:
            return State.UNHEALTHY
        case OrganisationState.RUNNING:
            return State.UNKNOWN
        case _:
            assert_never(state)


# Data integrity.


def expected_triggers() -> tuple[tuple[str, str], ...]:
    """Table and name of every trigger that must be there, ENABLE ALWAYS."""
    expected = [(table.name, name) for table in HOST_TABLES.values() for name in ENTITY_TRIGGERS]
    expected += [("customer_services", name) for name in SERVICE_CUSTOMER_TRIGGERS]
    packages, integrations = READ_TABLES
    expected += [(integrations, name) for name in PUBLISHING_TRIGGERS]
    expected += [("customers", "zoho_outbox_became_real"), (packages, "zoho_outbox_sku_updated")]
    expected += [(OUTBOX_TABLE, name) for name in GUARD_TRIGGERS]
    return tuple(sorted(expected))


def triggers(reading: Sequence[Trigger] | CouldNot) -> Finding:
    """Whether every change is captured, and nobody can change an entry past the guards."""
    if isinstance(reading, CouldNot):
        return _unknown(Check.TRIGGERS, reading)
    there = {(trigger.table_name, trigger.name): trigger for trigger in reading}
    expected = expected_triggers()
    wrong = []
    for key in expected:
        trigger = there.get(key)
        if trigger is None:
            wrong.append(f"{key[1]} on {key[0]} is missing")
        elif trigger.disabled:
            wrong.append(f"{key[1]} on {key[0]} is disabled")
        elif not trigger.always:
            wrong.append(f"{key[1]} on {key[0]} does not fire always")
    if not wrong:
        return Finding(Check.TRIGGERS, State.HEALTHY, f"all {len(expected)} triggers are there", 0)
    return Finding(
        Check.TRIGGERS,
        State.UNHEALTHY,
        f"{count(len(wrong), 'trigger', 'triggers')} of {len(expected)} not in force, so changes are lost: "
        + "; ".join(wrong),
        len(wrong),
        wrong[0],
        "zoho-outbox migrate brings them back; zoho-outbox find lists the rows whose changes went past them.",
    )


def _synced(reading: Sequence[Synced] | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.SYNCED, reading)
    eligible = sum(each.eligible for each in reading)
    there = sum(each.in_zoho for each in reading)
    if not eligible:
        return Finding(Check.SYNCED, State.HEALTHY, "no row is eligible", 0)
    missing = eligible - there
    what = f"{there * 100 / eligible:.1f} % of the eligible rows are in Zoho: {there} of {eligible}"
    if there * 100 >= settings.health_synced_percent * eligible:
        return Finding(Check.SYNCED, State.HEALTHY, what, missing)
    lacking = sorted(
        (each for each in reading if each.in_zoho < each.eligible), key=lambda each: each.in_zoho - each.eligible
    )
    by_type = ", ".join(f"{each.entity_type} {each.in_zoho} of {each.eligible}" for each in lacking)
    return Finding(
        Check.SYNCED,
        State.DEGRADED,
        f"{what} ({by_type})",
        missing,
        next_step=f"zoho-outbox find {lacking[0].entity_type} names each with its reason; zoho-outbox backfill "
        "enqueues what was never captured.",
    )


def _dead(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    return _beyond(
        Check.DEAD,
        reading,
        settings.health_dead_count,
        fine="nothing is dead"
        if settings.health_dead_count == 1
        else f"fewer than {settings.health_dead_count} are dead",
        what="{counted} dead",
        next_step=f"The view zoho_outbox_dead groups them by cause. {FIX_DEAD}",
    )


def _old_failures(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    days = count(settings.health_failure_age_days, "day", "days")
    return _beyond(
        Check.OLD_FAILURES,
        reading,
        1,
        fine=f"nothing is dead for more than {days}",
        what=f"{{counted}} dead for more than {days}",
        next_step="Mend them, or set them aside with a reason: SELECT zoho_outbox_skip(id, 'reason').",
    )


def _affected(reading: Beyond | CouldNot, settings: HealthSettings) -> Finding:
    if isinstance(reading, CouldNot):
        return _unknown(Check.AFFECTED_CUSTOMERS, reading)
    what = f"{count(reading.entities, 'customer is', 'customers are')} affected by what is dead"
    if reading.entities <= settings.health_affected_customers:
        return Finding(Check.AFFECTED_CUSTOMERS, State.HEALTHY, what, reading.entities)
    return Finding(
        Check.AFFECTED_CUSTOMERS,
        State.UNHEALTHY,
        what,
        reading.entities,
        reading.example,
        _explain(reading.example, "The view zoho_outbox_dead groups what is dead by its cause."),
    )


@dataclass(frozen=True)
class Verdict:
    """All findings, and what they come to."""

    as_of: datetime | None
    """By the database's clock; None: it could not be asked."""
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """As bad as the worst finding."""
        return worst(finding.state for finding in self.findings)

    def of(self, category: Category) -> tuple[Finding, ...]:
        """The findings of a category, the worst first."""
        mine = [finding for finding in self.findings if finding.category is category]
        return tuple(sorted(mine, key=lambda finding: -SEVERITY.index(finding.state)))
