"""What every page has: its moment, the organisation's state, what came of the last action, names for its rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from daemon.web.context import Context
from daemon.web.pages.said import forget, said_before
from daemon.web.pages.wording import BASE, SINGULAR, Wording
from daemon.web.rendering import rendered
from outbox.database import Row
from outbox.store.dashboard import Dashboard, Named, Place
from outbox.store.organisation import OrganisationNow
from outbox.vocabulary import EntityType, OrganisationState

REFRESH_SECONDS = 30

LONGEST_REASON = 500
"""Characters of a reason that somebody types."""


@dataclass(frozen=True)
class Subject:
    """A row as people know it, and the address of its page."""

    entity_type: str
    kind: str
    title: str
    detail: str
    address: str


@dataclass(frozen=True)
class Sending:
    """The organisation's state in words. ``tone``: good, warn or bad."""

    state: OrganisationState
    tone: str
    title: str
    words: str
    next: str
    paused: bool


async def page(request: Request, context: Context, template: str, *, status_code: int = 200, **values: Any) -> Response:
    """A page of ours."""
    said = said_before(request)
    organisation = await context.organisation.now()
    words = wording(context)
    response = rendered(
        request,
        template,
        status_code=status_code,
        base=BASE,
        here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        words=words,
        said=said,
        sending=sending(organisation, words, enabled=context.settings.enable_zoho_sync),
        refresh_seconds=REFRESH_SECONDS,
        longest_reason=LONGEST_REASON,
        **values,
    )
    if said is not None:
        forget(response)
    return response


def wording(context: Context) -> Wording:
    """As of now."""
    return Wording(context.settings.zone, context.clock.now(UTC))


def sending(now: OrganisationNow, words: Wording, *, enabled: bool) -> Sending:
    """The state in words, and what is to be done."""
    since, until, why = words.moment(now.since), words.moment(now.until), now.why or ""
    match now.state:
        case OrganisationState.PAUSED:
            return Sending(
                now.state,
                "warn",
                "Paused",
                f"{words.capital(why)} (since {since}).",
                "Changes are still collected. Nothing is sent until somebody resumes.",
                paused=True,
            )
        case OrganisationState.FORBIDDEN:
            return Sending(
                now.state,
                "bad",
                "Zoho refuses us",
                f"Since {since}: {why}",
                "A person must act. Changes are still collected, and sent once Zoho lets us in again.",
                paused=False,
            )
        case OrganisationState.THROTTLED:
            return Sending(
                now.state,
                "warn",
                f"Throttled until {until}",
                f"Zoho asked for a pause: {why}",
                "Nothing needs to be done. Sending goes on by itself.",
                paused=False,
            )
        case OrganisationState.BROKEN:
            return Sending(
                now.state,
                "bad",
                "Zoho is not well",
                f"Since {since}: {why}",
                f"Nothing needs to be done. Zoho is tried again at {until}, and sending goes on by itself.",
                paused=False,
            )
        case OrganisationState.RUNNING if not enabled:
            return Sending(
                now.state,
                "warn",
                "Switched off",
                "This daemon was started with ENABLE_ZOHO_SYNC=false: it collects changes and sends nothing.",
                "Whoever runs the daemon can change the setting and start it again.",
                paused=False,
            )
        case OrganisationState.RUNNING:
            good = now.last_good_reply_at
            last = f"Zoho last answered {words.since(good)}." if good else "Zoho has not been asked for anything yet."
            return Sending(now.state, "good", "Running", "Changes are sent to Zoho as they happen.", last, paused=False)
        case _:
            assert_never(now.state)


def subject(names: Mapping[tuple[EntityType, UUID], Named], entity_type: str, entity_id: UUID) -> Subject:
    """By what people call it; where it has no name, by its id."""
    known = names.get((EntityType(entity_type), entity_id)) if entity_type in set(EntityType) else None
    return Subject(
        entity_type=entity_type,
        kind=SINGULAR.get(entity_type, entity_type),
        title=known.title if known else str(entity_id),
        detail=known.detail if known else "the row is gone",
        address=Wording.entity(entity_type, entity_id),
    )


async def with_subjects(dashboard: Dashboard, rows: Sequence[Row]) -> list[tuple[Row, Subject]]:
    """Each row with what it is about."""
    names = await dashboard.names(key for row in rows for key in _keys(row))
    return [(row, subject(names, row["entity_type"], row["entity_id"])) for row in rows]


def _keys(row: Row) -> Iterable[tuple[EntityType, UUID]]:
    yield EntityType(row["entity_type"]), row["entity_id"]


def place_text(place: Place) -> str:
    """For an address."""
    return f"{place.at.astimezone(UTC).isoformat()}_{place.id}"


def place_of(text: str) -> Place | None:
    """From an address; None where it is none of ours."""
    moment, _, row = text.partition("_")
    try:
        at = datetime.fromisoformat(moment)
        return Place(at if at.tzinfo else at.replace(tzinfo=UTC), UUID(row))
    except ValueError:
        return None
