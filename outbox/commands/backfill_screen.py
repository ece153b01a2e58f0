"""How a backfill is shown: the plan of a dry run, the bar while it runs, and what is told at its end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from outbox.commands.backfill_plan import Plan
from outbox.commands.follow import Ended, Progress
from outbox.settings import Settings
from outbox.store.following import Reason, Standing
from outbox.vocabulary import EntityType, EntryStatus, OrganisationState
from outbox.wording import age, columns, count, moment, one_line

PLURALS = {
    EntityType.CUSTOMER: "customers",
    EntityType.SUBSCRIPTION: "subscriptions",
    EntityType.INVOICE: "invoices",
    EntityType.PAYMENT: "payments",
}

MOST_REASONS = 8
"""Of a type and status; the rest are counted."""

QUIET_SECONDS = 10.0
"""Between lines where nobody watches a terminal."""


class Show(Protocol):
    """Is told where a run stands."""

    def __call__(self, progress: Progress) -> None:
        """Shows it."""
        ...


def plan_lines(plan: Plan, settings: Settings) -> list[str]:
    """What would be done, in rows, requests and time."""
    table = [
        (
            PLURALS[each.entity_type],
            str(len(each.rows)),
            str(each.requests + each.is_listed),
            "Zoho's are listed once" if each.is_listed else count(each.to_look_up, "look-up", "look-ups"),
        )
        for each in plan.types
    ]
    lines = columns(("type", "rows", "requests", "looked for"), table, right=frozenset({"rows", "requests"}))
    for each in plan.types:
        lines += [
            f"  {PLURALS[each.entity_type]} left out: {number} × {reason}"
            for reason, number in each.left_out.most_common(MOST_REASONS)
        ]
    lines.append(
        f"{count(plan.requests, 'request', 'requests')} to Zoho in all, {_time(plan, settings)}; a row that waits or "
        "fails takes fewer, a list of more than 200 records a request more for each 200"
    )
    return lines


def _time(plan: Plan, settings: Settings) -> str:
    minutes, days = plan.minutes(settings), plan.days(settings)
    pace = "as fast as Zoho answers" if not minutes else f"about {max(minutes, 1):.0f} min at ZOHO_REQUESTS_PER_MINUTE"
    if days <= 1:
        return pace
    return f"{pace}, and {days:.1f} days of the share of ZOHO_DAILY_REQUEST_LIMIT that is not kept for live changes"


def ended_lines(ended: Ended, types: Sequence[EntityType]) -> list[str]:
    """Counts by type, then every reason why something is not in Zoho."""
    lines = summary_lines(ended.standing, types)
    lines += reason_lines(ended.reasons)
    if ended.stopped is not None:
        lines.append(f"stopped: {ended.stopped}")
    return lines


def summary_lines(standing: Standing, types: Sequence[EntityType]) -> list[str]:
    """Counts by type and status."""
    shown = (EntryStatus.DONE, EntryStatus.SKIPPED, EntryStatus.WAITING, EntryStatus.DEAD, EntryStatus.PENDING)
    table = [(PLURALS[kind], *(str(standing.count(kind, status)) for status in shown)) for kind in types]
    headings = ("type", *(str(status) for status in shown))
    return columns(headings, table, right=frozenset(headings[1:]))


def reason_lines(reasons: Sequence[Reason]) -> list[str]:
    """Why entries are not done, the most frequent first, with an example of each."""
    lines: list[str] = []
    groups = dict.fromkeys((reason.entity_type, reason.status) for reason in reasons)
    for kind, status in groups:
        group = [reason for reason in reasons if (reason.entity_type, reason.status) == (kind, status)]
        for reason in group[:MOST_REASONS]:
            times = f"{reason.entries} × " if reason.entries > 1 else ""
            said = (
                f"waiting for {one_line(reason.reason)}" if status is EntryStatus.WAITING else one_line(reason.reason)
            )
            lines.append(f"{times}{kind} {status}: {said} ({kind} {reason.example})")
        if len(group) > MOST_REASONS:
            lines.append(f"{kind} {status}: {count(len(group) - MOST_REASONS, 'more reason', 'more reasons')}")
    return lines


@contextmanager
def following(console: Console) -> Iterator[Show]:
    """A bar on a terminal; elsewhere a line every few seconds."""
    pace = _Pace()
    if not console.is_terminal:
        yield _Lines(console, pace)
        return
    bars = Bars(
        TextColumn("{task.fields[kind]:>13}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        console=console,
        transient=False,
    )
    with bars:
        tasks = {}

        def show(progress: Progress) -> None:
            if progress.entity_type not in tasks:
                tasks[progress.entity_type] = bars.add_task(
                    "", kind=PLURALS[progress.entity_type], said="", total=progress.total
                )
            bars.update(
                tasks[progress.entity_type],
                completed=progress.total - progress.moving - progress.later,
                said=_said(progress, pace.of(progress)),
            )

        yield show


class _Pace:
    """Rows that came to rest in a second, of the type that is under way."""

    def __init__(self) -> None:
        self._kind: EntityType | None = None
        self._begun = 0.0

    def of(self, progress: Progress) -> float:
        now = time.monotonic()
        if progress.entity_type is not self._kind:
            self._kind, self._begun = progress.entity_type, now
        settled = progress.total - progress.moving - progress.later
        return settled / (now - self._begun) if now > self._begun else 0.0


class _Lines:
    def __init__(self, console: Console, pace: _Pace) -> None:
        self._console = console
        self._pace = pace
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        pace = self._pace.of(progress)
        if time.monotonic() < self._next and progress.moving:
            return
        self._next = time.monotonic() + QUIET_SECONDS
        self._console.print(f"{PLURALS[progress.entity_type]}: {_said(progress, pace)}", highlight=False)


def _said(progress: Progress, pace: float) -> str:
    parts = [
        f"{progress.done}/{progress.total} done",
        f"{progress.skipped} skipped",
        f"{progress.waiting} waiting",
        f"{progress.dead} dead",
    ]
    if progress.later:
        parts.append(f"{progress.later} tried again later")
    if pace and progress.moving:
        parts.append(f"{pace:.1f}/s, {age(progress.moving / pace)} left")
    if progress.requests_left is not None:
        parts.append(f"{progress.requests_left} requests left today")
    if progress.state.state is not OrganisationState.RUNNING:
        until = f" until {moment(progress.state.until)}" if progress.state.until else ""
        parts.append(f"{progress.state.state}{until}: {one_line(progress.state.why)}")
    return ", ".join(parts)
