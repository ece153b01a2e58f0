"""Unfinished work by standing: what is due, what is tried again when, who waits for whom, what is under way."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.web.context import Context
from daemon.web.pages.entity import CHANGES
from daemon.web.pages.frame import page, subject, with_subjects
from daemon.web.pages.wording import BASE, Wording
from outbox.store.dashboard import Dashboard, WorkPlace, WorkStanding
from outbox.vocabulary import EntityType, Urgency

PAGE_ROWS = 50

TOLD: Final[Mapping[WorkStanding, tuple[str, str, str]]] = {
    WorkStanding.PENDING: (
        "Pending",
        "Due now, in the order in which it is sent.",
        "Nothing is due.",
    ),
    WorkStanding.RETRYING: (
        "Retrying",
        "An attempt failed for a reason that may pass. Each is made again by itself at its time.",
        "Nothing waits for another attempt.",
    ),
    WorkStanding.WAITING: (
        "Waiting",
        "Something else must be in Zoho first. Each is sent by itself as soon as that is there.",
        "Nothing waits for anything else.",
    ),
    WorkStanding.SYNCING: (
        "Syncing",
        "Being sent at this moment.",
        "Nothing is being sent at this moment.",
    ),
}
"""Title, what it means, and what an empty list says."""


def routes(context: Context) -> list[BaseRoute]:
    """The lists."""
    dashboard = Dashboard(context.database)

    async def work(request: Request) -> Response:
        given = request.query_params.get("standing", "")
        standing = WorkStanding(given) if given in [*WorkStanding] else WorkStanding.PENDING
        after = _place_of(request.query_params.get("after", ""))
        captured_after = _entry_of(request.query_params.get("captured", ""))
        rows, following = await dashboard.work(standing, after or WorkPlace(), PAGE_ROWS)
        wanted = [(EntityType(row["entity_type"]), row["entity_id"]) for row in rows]
        wanted += [
            (EntityType(row["waits_for_type"]), row["waits_for_id"])
            for row in rows
            if row["waits_for_type"] in [*EntityType]
        ]
        names = await dashboard.names(wanted)
        captured, more_captured = (
            await dashboard.captured(captured_after, PAGE_ROWS) if standing is WorkStanding.PENDING else ([], None)
        )
        return await page(
            request,
            context,
            "work.html",
            standing=standing,
            told=TOLD,
            rows=[
                (
                    row,
                    subject(names, row["entity_type"], row["entity_id"]),
                    subject(names, row["waits_for_type"], row["waits_for_id"])
                    if row["waits_for_type"] in [*EntityType]
                    else None,
                )
                for row in rows
            ],
            urgency=_urgency,
            captured=await with_subjects(dashboard, captured),
            more_captured=Wording.address("/work", standing=standing, captured=str(more_captured))
            if more_captured
            else None,
            captured_after=captured_after,
            changes=CHANGES,
            further=Wording.address("/work", standing=standing, after=_place_text(following)) if following else None,
            first=Wording.address("/work", standing=standing) if after else None,
        )

    return [Route(f"{BASE}/work", work, methods=["GET"])]


def _urgency(number: int) -> str:
    """'live', 'backfill'."""
    return Urgency(number).name.lower() if number in [*Urgency] else str(number)


def _entry_of(text: str) -> int:
    """An entry's id; 0 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _place_text(place: WorkPlace) -> str:
    return f"{place.urgency}_{place.at.astimezone(UTC).isoformat()}_{place.awaited}_{place.id}"


def _place_of(text: str) -> WorkPlace | None:
    parts = text.split("_")
    if len(parts) != 4:
        return None
    try:
        at = datetime.fromisoformat(parts[1])
        urgency = int(parts[0])
        awaited, row = UUID(parts[2]), UUID(parts[3])
    except ValueError:
        return None
    if not -1 <= urgency < 2**15:
        return None
    return WorkPlace(urgency, at if at.tzinfo else at.replace(tzinfo=UTC), awaited, row)
