"""What the nightly comparison with Zoho found: differences by kind, rows that were not compared, sums by month.

Shows what ``zoho-outbox reconcile`` wrote (:mod:`outbox.reconciliation`); nothing is compared because of a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.web.context import Context
from daemon.web.pages.entity import zoho_address
from daemon.web.pages.frame import page
from daemon.web.pages.wording import BASE, PLURAL, Wording
from outbox.database import Row
from outbox.reconciliation.differences import DifferenceKind
from outbox.reconciliation.sums import AGREES, NOT_COMPARED, RAISED_BY_ZOHO, Measure, MonthlySum, monthly
from outbox.settings import Settings
from outbox.store.dashboard import MOST_COMPARISONS, MOST_FINDINGS, MOST_OF_A_KIND, Dashboard
from outbox.store.reconciliation import Part, ReconciliationStore
from outbox.vocabulary import EntityType

ADDRESS = "/comparison"

MEANS: Final[Mapping[DifferenceKind, str]] = {
    DifferenceKind.MISSING_IN_ZOHO: "They are here and belong into Zoho, and Zoho has no record of them.",
    DifferenceKind.UNKNOWN_HERE: "Records in Zoho that nothing here knows, and that no subscription raised.",
    DifferenceKind.DUPLICATE: "A second record in Zoho of one and the same record here.",
    DifferenceKind.FIELDS: "Zoho’s record says something else: a name, an address, a date, a reference.",
    DifferenceKind.TOTAL: "The two amounts are not equal.",
    DifferenceKind.STATE: "Active, open, void, ended or refunded on one side, and something else on the other.",
    DifferenceKind.PAID_HERE_OPEN_THERE: "Paid here, and Zoho still expects the money.",
    DifferenceKind.OTHER_INVOICE: "Payments that stand against another invoice in Zoho, or against none.",
    DifferenceKind.ID_NOT_OURS: "The Zoho id that is kept here names no record any more, or somebody else’s.",
    DifferenceKind.SHOULD_BE_GONE: "Deleted here, or no longer for Zoho, and alive in Zoho.",
}
"""Each kind in a sentence, for finance."""

STAGES: Final[Mapping[str, str]] = {
    "list": "Zoho’s list is being read",
    "compare": "records are being compared",
    "unknown": "what only Zoho has is being looked at",
    "done": "",
}

MEASURES: Final[Mapping[Measure, str]] = {
    Measure.INVOICED: "Invoiced",
    Measure.OPEN: "Still open",
    Measure.PAID: "Paid",
    Measure.CREDITED: "Credited",
}

REASONS: Final[Mapping[str, str]] = {
    **{kind: kind.in_words for kind in DifferenceKind},
    NOT_COMPARED: "not compared",
    RAISED_BY_ZOHO: "raised by Zoho’s subscriptions",
    AGREES: "counted as equal",
}
"""``because`` of a sum."""


@dataclass(frozen=True)
class TypeOf:
    """One type's counts. ``stage``: what is still being done; '' where everything was looked at."""

    title: str
    part: Part
    stage: str


@dataclass(frozen=True)
class Group:
    """Findings alike. ``alike``: how many there are; the first of them are in ``rows``."""

    key: str
    title: str
    meaning: str
    rows: Sequence[tuple[Row, str | None, str | None]]
    """A finding, the address of its row's page, and its record's in Zoho; None where there is none."""
    alike: int

    @property
    def more(self) -> int:
        """Those that are not shown."""
        return self.alike - len(self.rows)


@dataclass(frozen=True)
class Verdict:
    """What the run came to. ``tone``: good, warn or plain."""

    tone: str
    title: str
    words: str


def routes(context: Context) -> list[BaseRoute]:
    """The page."""
    dashboard = Dashboard(context.database)
    # For reading: it is nobody's session.
    store = ReconciliationStore(context.database, UUID(int=0))

    async def comparison(request: Request) -> Response:
        runs = await dashboard.comparisons()
        wanted = request.query_params.get("run", "")
        run = next((each for each in runs if str(each["id"]) == wanted), None) if wanted else None
        if wanted and run is None:
            missed = f"There is no such comparison among the last {MOST_COMPARISONS}."
            return await page(request, context, "missing.html", status_code=404, missed=missed)
        run = run or next(iter(runs), None)
        if run is None:
            return await page(request, context, "comparison.html", run=None)
        # Before the findings: what is found meanwhile must not look as if it had been left out.
        parts = await store.parts(run["id"])
        types = [TypeOf(PLURAL[kind], parts[kind], _stage(parts[kind])) for kind in EntityType if kind in parts]
        findings = await dashboard.findings(run["id"], [str(kind) for kind in parts])
        groups = _groups(findings, context.settings)
        before = _month_of(request.query_params.get("before", ""))
        sums, older = await dashboard.sums(run["id"], before or date.max)
        months = _months(monthly(sums))
        return await page(
            request,
            context,
            "comparison.html",
            run=run,
            verdict=verdict(run),
            types=types,
            partial=len(types) < len(PLURAL),
            differences=[group for group in groups if group.key in set(DifferenceKind)],
            not_compared=next((group for group in groups if group.key == "not_compared"), None),
            remarks=next((group for group in groups if group.key == "remark"), None),
            cut=_left_out(parts.values(), groups),
            sorted_findings=MOST_FINDINGS,
            most_of_a_kind=MOST_OF_A_KIND,
            months=months,
            measures=MEASURES,
            reason=reason,
            older=_older(wanted, months[-1][0]) if older else None,
            newest=Wording.address(ADDRESS, run=wanted) + "#months" if before else None,
            earlier=[(each, verdict(each), Wording.address(ADDRESS, run=str(each["id"]))) for each in runs],
            latest=runs[0]["id"] == run["id"],
        )

    return [Route(f"{BASE}{ADDRESS}", comparison, methods=["GET"])]


def verdict(run: Row) -> Verdict:
    """What a run came to, in words."""
    differ, not_compared = run["differ"], run["not_compared"]
    unsaid = f"{Wording.count(not_compared, 'record was', 'records were')} not compared" if not_compared else ""
    if run["finished_at"] is None:
        if run["under_way"]:
            return Verdict("plain", "Being compared now", "What was found so far stands below.")
        return Verdict(
            "warn",
            "Not finished",
            "What was found so far stands below. The next zoho-outbox reconcile goes on where it stopped; where its "
            "timer is on, that is tonight.",
        )
    if not run["complete"]:
        return Verdict("warn", "Ended early", "Another comparison was begun in its place; not everything was compared.")
    if differ:
        return Verdict(
            "warn",
            Wording.count(differ, "difference", "differences"),
            f"Each stands below with what to do. {unsaid}{'.' if unsaid else ''}".strip(),
        )
    if unsaid:
        return Verdict("warn", "No difference found", f"But {unsaid}: nobody can say whether they agree.")
    return Verdict("good", "Both sides agree", "Every record was compared, and nothing differs.")


def reason(name: str) -> str:
    """Why sums are not equal, in words."""
    return REASONS.get(name, name.replace("_", " "))


def _stage(part: Part) -> str:
    if part.stage == "list" and part.next_page == 1:
        return "not begun"
    return STAGES.get(part.stage, part.stage)


def _groups(findings: Sequence[Row], settings: Settings) -> list[Group]:
    by_key: dict[str, list[Row]] = {}
    for row in findings:
        by_key.setdefault(row["kind"] or row["finding"], []).append(row)
    order: list[tuple[str, str, str]] = [
        *((kind, Wording.capital(kind.in_words), MEANS[kind]) for kind in DifferenceKind),
        ("not_compared", "Not compared", "Nobody can say whether these agree. Most are on their way at that moment."),
        ("remark", "As decided, and worth knowing", "These count as equal: the settings want it so."),
    ]
    return [
        Group(
            key,
            title,
            meaning,
            [(row, _page_of(row), _in_zoho(row, settings)) for row in by_key[key]],
            by_key[key][0]["alike"],
        )
        for key, title, meaning in order
        if key in by_key
    ]


def _page_of(row: Row) -> str | None:
    return Wording.entity(row["entity_type"], row["entity_id"]) if row["entity_id"] else None


def _in_zoho(row: Row, settings: Settings) -> str | None:
    return zoho_address(
        settings,
        {
            "zoho_id": row["zoho_id"],
            "zoho_path": f"#/{row['entity_type']}s/{row['zoho_id']}",
            "zoho_organization_id": settings.zoho_billing_organization_id,
        },
    )


def _left_out(parts: Iterable[Part], groups: Sequence[Group]) -> bool:
    """Whether there are findings that were not even sorted."""
    told = sum(part.differ + part.not_compared for part in parts)
    return told > sum(group.alike for group in groups if group.key != "remark")


def _months(sums: Sequence[MonthlySum]) -> list[tuple[date, list[MonthlySum]]]:
    """Newest first; within a month in the order of the measures."""
    order = list(Measure)
    by_month: dict[date, list[MonthlySum]] = {}
    for each in sums:
        by_month.setdefault(each.month, []).append(each)
    return [
        (month, sorted(by_month[month], key=lambda each: order.index(each.measure)))
        for month in sorted(by_month, reverse=True)
    ]


def _month_of(text: str) -> date | None:
    """'2026-11'; None where it is no month."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return None


def _older(run: str, oldest: date) -> str:
    return Wording.address(ADDRESS, run=run, before=f"{oldest:%Y-%m}") + "#months"
