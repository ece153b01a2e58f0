"""``reconcile``: compares the database with Zoho, names every difference, and has mended what is safe.

What a run does stands in :mod:`outbox.reconciliation`. This goes on with the run that was begun before, or begins one;
its result is read from the database, whoever found it.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from outbox.assembly import Engine
from outbox.commands.failures import CommandFailed
from outbox.commands.sync import stop_in_words
from outbox.database import Database
from outbox.reconciliation.differences import DifferenceKind
from outbox.reconciliation.run import Progress, Reconciliation, RunTaken, begin
from outbox.reconciliation.sums import MonthlySum, monthly
from outbox.store.reconciliation import Part, ReconciliationStore
from outbox.vocabulary import EntityType
from outbox.wording import columns, count, moment, one_line
from outbox.zoho.failures import CallFailed
from outbox.zoho.ports import SendingStopped

FINDINGS = 500


@dataclass(frozen=True)
class TypeResult:
    """Of one type. ``complete``: everything of it was looked at."""

    entity_type: EntityType
    complete: bool
    listed: int
    """Records in Zoho's list."""
    agree: int
    differ: int
    not_compared: int


@dataclass(frozen=True)
class ShownFinding:
    """A difference, a row that was not compared, or a remark."""

    entity_type: EntityType
    entity_id: UUID | None
    zoho_id: str | None
    named: str
    finding: str
    """difference, not_compared, remark."""
    kind: DifferenceKind | None
    said: str
    mend: str | None
    """enqueue: ``--fix`` has it sent again; person: somebody must decide."""
    found_at: datetime
    enqueued_at: datetime | None


@dataclass(frozen=True)
class Result:
    """What a run found so far. ``stopped``: why it did not come to its end, and when it can go on."""

    started_at: datetime
    finished_at: datetime | None
    deep: bool
    requests: int
    by_type: tuple[TypeResult, ...]
    findings: tuple[ShownFinding, ...]
    months: tuple[MonthlySum, ...]
    stopped: str | None = None
    fixed: int | None = None
    """Differences whose rows are sent again because of ``--fix``; None: it was not asked for."""
    look_first_ended: bool = False

    @property
    def differences(self) -> list[ShownFinding]:
        """What is not equal."""
        return [finding for finding in self.findings if finding.finding == "difference"]

    @property
    def not_compared(self) -> int:
        """Rows of which nobody can say."""
        return sum(each.not_compared for each in self.by_type)

    @property
    def is_clean(self) -> bool:
        """Everything was compared, and nothing differs."""
        complete = self.finished_at is not None and all(each.complete for each in self.by_type)
        return complete and not self.differences and not self.not_compared

    def as_json(self) -> dict[str, Any]:
        """Keys as the attributes; ``months`` with ``difference``; amounts as text."""
        return asdict(self) | {
            "clean": self.is_clean,
            "months": [_plain(each.as_json()) for each in self.months],
        }

    def as_csv(self) -> str:
        """A line for each difference and each row that was not compared. Cells cannot be formulas."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("type", "named", "id", "zoho_id", "finding", "kind", "said", "mend"))
        for each in self.findings:
            cells = (
                each.entity_type,
                each.named,
                each.entity_id or "",
                each.zoho_id or "",
                each.finding,
                each.kind or "",
                each.said,
                each.mend or "",
            )
            writer.writerow([_cell(str(cell)) for cell in cells])
        return text.getvalue()

    def as_text(self) -> str:
        """For people: what was compared, what differs by kind, what finance asks."""
        return "\n".join(_lines(self))


def _cell(text: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula."""
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case str() | int() | None:
            return value
        case datetime():
            return value
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            return str(value)


async def reconcile(
    engine: Engine,
    entity_types: Sequence[EntityType],
    *,
    deep: bool,
    fix: bool,
    say: Callable[[str], None],
    show: Callable[[Progress], None],
) -> Result:
    """Goes on with a run or begins one, to its end or as far as Zoho may be asked; then mends what is safe.

    Raises :class:`CommandFailed` where another process works on one, and ``DatabaseUnavailable``.
    """
    store = ReconciliationStore(engine.database, engine.session)
    stopped: str | None = None
    try:
        run, goes_on = await begin(store, entity_types, deep=deep)
    except RunTaken:
        raise CommandFailed("another zoho-outbox reconcile is at work: wait for its end") from None
    if goes_on:
        depth = ", deep" if run.deep else ""
        said = f"{', '.join(run.entity_types)}{depth}"
        say(f"going on with the reconciliation that was begun {moment(run.started_at)}: {said}")
    try:
        await Reconciliation(engine, run, store, show).work()
    except RunTaken:
        raise CommandFailed("another zoho-outbox reconcile took this run over") from None
    except SendingStopped as stop:
        stopped = f"{stop_in_words(stop)}; the next zoho-outbox reconcile goes on where this one stopped"
    except CallFailed as failed:
        stopped = f"{failed.failure}: {failed.failure.advice}; the next zoho-outbox reconcile goes on from there"
    finally:
        await store.leave(run.id)
    fixed = None
    if fix:
        fixed = 0
        while batch := await store.fix(run.id):
            fixed += batch
    result = await read_result(engine.database, stopped=stopped, fixed=fixed)
    if result is None:
        raise CommandFailed("the reconciliation was deleted while it ran")
    if result.is_clean and set(run.entity_types) == set(EntityType) and await store.end_look_first(run.started_at):
        result = await read_result(engine.database, stopped=stopped, fixed=fixed, look_first_ended=True) or result
    return result


async def read_result(
    database: Database, *, stopped: str | None = None, fixed: int | None = None, look_first_ended: bool = False
) -> Result | None:
    """The latest run, as it stands; None: there was none."""
    store = ReconciliationStore(database, UUID(int=0))
    run = await store.last()
    if run is None:
        return None
    parts = await store.parts(run["id"])
    return Result(
        started_at=run["started_at"],
        finished_at=run["finished_at"],
        deep=run["deep"],
        requests=run["requests"],
        by_type=tuple(_of_type(parts[EntityType(name)]) for name in run["entity_types"]),
        findings=tuple([finding async for finding in _findings(store, run["id"])]),
        months=tuple(monthly(await store.sums(run["id"]))),
        stopped=stopped,
        fixed=fixed,
        look_first_ended=look_first_ended,
    )


def _of_type(part: Part) -> TypeResult:
    return TypeResult(part.entity_type, part.stage == "done", part.listed, part.agree, part.differ, part.not_compared)


async def _findings(store: ReconciliationStore, run: UUID) -> AsyncIterator[ShownFinding]:
    after = 0
    while page := await store.findings(run, after, FINDINGS):
        for row in page:
            after = row.pop("id")
            kind = row.pop("kind")
            yield ShownFinding(
                **{**row, "entity_type": EntityType(row["entity_type"])},
                kind=None if kind is None else DifferenceKind(kind),
            )


def _lines(result: Result) -> list[str]:
    heads = ("type", "in Zoho", "agree", "differ", "not compared", "")
    rows = [
        (
            each.entity_type,
            str(each.listed),
            str(each.agree),
            str(each.differ),
            str(each.not_compared),
            "" if each.complete else "not finished",
        )
        for each in result.by_type
    ]
    lines = columns(heads, rows, right=frozenset(heads[1:5]))
    for kind in DifferenceKind:
        of_kind = [each for each in result.differences if each.kind is kind]
        if of_kind:
            lines += ["", f"{kind.in_words} ({len(of_kind)})", *(f"  {_told(each)}" for each in of_kind)]
    for finding, heading in (("not_compared", "not compared"), ("remark", "as decided, and worth knowing")):
        told = [each for each in result.findings if each.finding == finding]
        if told:
            lines += ["", f"{heading} ({len(told)})", *(f"  {each.named}: {one_line(each.said)}" for each in told)]
    if result.months:
        lines += ["", *_months(result.months)]
    lines += ["", _closing(result)]
    if result.look_first_ended:
        lines.append("clean: creates no longer look in Zoho first")
    if result.fixed is not None:
        left = sum(each.mend == "person" for each in result.differences)
        lines.append(f"{count(result.fixed, 'row is', 'rows are')} sent again; {left} need a person")
    return lines


def _told(each: ShownFinding) -> str:
    sent = " [sent again]" if each.enqueued_at is not None else ""
    return f"{each.named}{f' ({each.entity_id})' if each.entity_id else ''}: {one_line(each.said)}{sent}"


def _months(months: Sequence[MonthlySum]) -> list[str]:
    heads = ("month", "", "here", "in Zoho", "difference", "because of")
    rows = [
        (
            f"{each.month:%Y-%m}",
            each.measure,
            f"{each.ours:.2f}",
            f"{each.theirs:.2f}",
            f"{each.difference:+.2f}" if each.difference else "-",
            ", ".join(f"{share.name} {share.theirs - share.ours:+.2f}" for share in each.reasons),
        )
        for each in months
    ]
    return columns(heads, rows, right=frozenset({"here", "in Zoho", "difference"}))


def _closing(result: Result) -> str:
    requests = count(result.requests, "request", "requests")
    if result.stopped is not None:
        return f"not finished after {requests}: {result.stopped}"
    if result.is_clean:
        return f"both sides agree ({requests})"
    differ = count(len(result.differences), "difference", "differences")
    return f"{differ}, {count(result.not_compared, 'row', 'rows')} not compared ({requests})"
