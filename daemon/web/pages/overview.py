"""The first page: is it running, how much is done, what is stuck, what happened lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.web.context import Context
from daemon.web.pages.figures import AllFigures, Figures, TypeDay
from daemon.web.pages.frame import page, place_of, place_text, with_subjects
from daemon.web.pages.wording import BASE, Wording
from daemon.web.standing import StandingNow
from outbox.commands.status import Quota, Status, TypeCounts
from outbox.store.api import Outcomes
from outbox.store.dashboard import NEWEST, Dashboard
from outbox.vocabulary import EntityType, EntryStatus, LogStatus

PAGE_ROWS = 25

WITHIN: Final[Mapping[str, tuple[str, timedelta]]] = {
    "hour": ("the last hour", timedelta(hours=1)),
    "day": ("the last 24 hours", timedelta(days=1)),
    "week": ("the last 7 days", timedelta(days=7)),
}


@dataclass(frozen=True)
class TypeCard:
    """One type's figures. None: not known yet, or not to be read."""

    entity_type: EntityType
    title: str
    counts: TypeCounts | None
    outcomes: Outcomes | None
    """Of seven days."""
    day: TypeDay | None
    oldest_seconds: float | None
    """Of the changes that are on their way: pending, waiting, being sent."""

    @property
    def synced_thousandths(self) -> int:
        """Width of the bar."""
        if self.counts is None or not self.counts.eligible or self.counts.in_zoho is None:
            return 0
        return min(1000 * self.counts.in_zoho // self.counts.eligible, 1000)


@dataclass(frozen=True)
class Totals:
    """All types together."""

    total: int | None
    synced: int | None
    pending: int
    retrying: int
    syncing: int
    waiting: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class Filters:
    """What of the activity is asked for; '' is everything."""

    type: str
    status: str
    within: str

    @classmethod
    def of(cls, request: Request) -> "Filters":
        """From the address; what is unknown counts as not given."""
        given = request.query_params
        return cls(
            _known(given.get("type", ""), [*EntityType]),
            _known(given.get("status", ""), [*LogStatus]),
            _known(given.get("within", ""), [*WITHIN]),
        )

    @property
    def set(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.type or self.status or self.within)


def routes(context: Context) -> list[BaseRoute]:
    """The overview."""
    figures = AllFigures(context)
    dashboard = Dashboard(context.database)

    async def overview(request: Request) -> Response:
        filters = Filters.of(request)
        before = place_of(request.query_params.get("before", ""))
        now = context.clock.now(UTC)
        known = await figures.now()
        activity = await dashboard.activity(
            types=[EntityType(filters.type)] if filters.type else [*EntityType],
            statuses=[LogStatus(filters.status)] if filters.status else [*LogStatus],
            since=now - WITHIN[filters.within][1] if filters.within else None,
            before=before or NEWEST,
            limit=PAGE_ROWS,
        )
        status = known.standing.status if known.standing else None
        return await page(
            request,
            context,
            "overview.html",
            status=status,
            figures=known,
            totals=_totals(status) if status else None,
            types=_types(known),
            quota=_quota(status.quota) if status else None,
            liveness=context.liveness,
            rows=await with_subjects(dashboard, activity.rows),
            filters=filters,
            within=WITHIN,
            older=_address(filters, place_text(activity.older)) if activity.older else None,
            newest=_address(filters, "") if before else None,
            searched_to=activity.searched_to,
        )

    return [Route(BASE, overview, methods=["GET"])]


def _known(given: str, allowed: Sequence[str]) -> str:
    return given if given in allowed else ""


def _address(filters: Filters, before: str) -> str:
    query = Wording.address(type=filters.type, status=filters.status, within=filters.within, before=before)
    return f"{query}#activity"


def _totals(status: Status) -> Totals:
    counts = status.by_type.values()
    eligible = [count.eligible for count in counts]
    in_zoho = [count.in_zoho for count in counts]
    return Totals(
        total=None if None in eligible else sum(number or 0 for number in eligible),
        synced=None if None in in_zoho else sum(number or 0 for number in in_zoho),
        pending=sum(count.pending for count in counts),
        retrying=sum(count.retrying for count in counts),
        syncing=sum(count.processing for count in counts),
        waiting=sum(count.waiting for count in counts),
        failed=sum(count.dead for count in counts),
        skipped=sum(count.skipped for count in counts),
    )


def _types(known: Figures) -> list[TypeCard]:
    standing = known.standing
    return [
        TypeCard(
            entity_type,
            Wording.plural[entity_type],
            standing.status.by_type.get(entity_type) if standing else None,
            standing.outcomes.get(entity_type, Outcomes()) if standing else None,
            known.day.by_type[entity_type] if known.day else None,
            _oldest(standing, entity_type) if standing else None,
        )
        for entity_type in EntityType
    ]


def _oldest(standing: StandingNow, entity_type: EntityType) -> float | None:
    ages = (
        row["oldest_seconds"]
        for row in standing.entries
        if row["entity_type"] == entity_type and row["status"] != EntryStatus.DEAD
    )
    return max(ages, default=None)


@dataclass(frozen=True)
class QuotaBar:
    """Today's requests as a bar of a thousand parts, split by what they were for."""

    quota: Quota
    used_thousandths: int
    reserve_from: int
    """Where the share begins that is kept for live changes."""
    used_for: Sequence[tuple[str, int]]


def _quota(quota: Quota) -> QuotaBar:
    limit = quota.day_limit
    bulk = quota.used + quota.left_bulk if quota.left_bulk is not None else 0
    return QuotaBar(
        quota,
        used_thousandths=min(1000 * quota.used // limit, 1000) if limit else 0,
        reserve_from=min(1000 * bulk // limit, 1000) if limit and quota.left_bulk else 0,
        used_for=sorted(quota.used_by_urgency.items(), key=lambda item: -item[1]),
    )
