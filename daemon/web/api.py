"""The API: status, logs, retry. For programs with a Bearer token and pages with a session; see openapi.py."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

import simplejson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daemon.web.authority import API, DESCRIPTION, acting, log_action, operator_of
from daemon.web.context import Context
from daemon.web.forms import body_of
from daemon.web.openapi import description
from daemon.web.standing import StandingNow
from outbox.commands.status import OrganisationStatus, TypeCounts
from outbox.database import Row
from outbox.store.api import EARLIEST, WINDOW, ApiReadings, InFlight, NeverCaptured, Outcomes, replay_entity
from outbox.store.dashboard import Dashboard, Named
from outbox.vocabulary import EntityType, EntryStatus, LogStatus

STATUS, LOGS, RETRY = f"{API}/status", f"{API}/logs", f"{API}/retry"

MOST_ITEMS = 200
DEFAULT_ITEMS = 50

LOG_STATUSES = ("pending", *LogStatus)
"""What ``zoho_sync_logs.status`` may say; 'pending' in rows of the host's own alone."""


class BadRequest(Exception):  # noqa: N818 - an answer, not a mistake
    """What was asked for makes no sense; the text says what."""


@dataclass(frozen=True)
class LogQuery:
    """What ``/logs`` is asked for."""

    entity_type: EntityType | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = DEFAULT_ITEMS
    offset: int = 0


def routes(context: Context) -> list[BaseRoute]:
    """The API's routes. The gate lets nobody through who may not."""
    readings = ApiReadings(context.database)
    dashboard = Dashboard(context.database)
    described = description()

    async def openapi(_: Request) -> Response:
        return JSONResponse(described)

    async def status(request: Request) -> Response:
        try:
            _parameters(request, ())
        except BadRequest as bad:
            return _error(400, str(bad))
        now = await context.standing.now()
        return JSONResponse(status_as_json(now, await _names(dashboard, now.recent_failures)))

    async def logs(request: Request) -> Response:
        try:
            query = log_query(request, context.settings.zone)
        except BadRequest as bad:
            return _error(400, str(bad))
        page = await readings.logs(
            entity_type=query.entity_type,
            status=query.status,
            since=query.since,
            until=query.until,
            limit=query.limit,
            offset=query.offset,
        )
        names = await _names(dashboard, page.rows)
        return JSONResponse(
            {
                "items": [item_as_json(row, names) for row in page.rows],
                "total": page.total,
                "total_is_exact": page.complete,
                "searched_to": _moment(page.searched_to),
                "limit": query.limit,
                "offset": query.offset,
            }
        )

    async def retry(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error(415, "send JSON, with content-type: application/json")
        operator = operator_of(request)
        try:
            entity_type, entity_id = named_entity(await body_of(request))
        except BadRequest as bad:
            return _error(400, str(bad))
        try:
            async with acting(context.database, operator) as connection:
                entry, entry_status = await replay_entity(connection, entity_type, entity_id)
        except NeverCaptured as unknown:
            return _error(404, f"{unknown}. {unknown.hint}".strip())
        except InFlight:
            return _error(409, f"{entity_type} {entity_id} is being sent at this moment; ask again in a few seconds")
        log_action(operator, "retry", entity_type=entity_type, entity_id=str(entity_id), outbox_id=entry)
        return JSONResponse({"outbox_id": entry, "status": entry_status}, 202)

    return [
        Route(DESCRIPTION, openapi, methods=["GET"]),
        Route(STATUS, status, methods=["GET"]),
        Route(LOGS, logs, methods=["GET"]),
        Route(RETRY, retry, methods=["POST"]),
    ]


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


async def _names(dashboard: Dashboard, rows: Iterable[Row]) -> Mapping[tuple[EntityType, UUID], Named]:
    known = {str(entity_type) for entity_type in EntityType}
    return await dashboard.names(
        {(EntityType(row["entity_type"]), row["entity_id"]) for row in rows if row["entity_type"] in known}
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def item_as_json(row: Row, names: Mapping[tuple[EntityType, UUID], Named]) -> dict[str, Any]:
    """An attempt: the columns of zoho_sync_logs but the payloads, with what people call the row."""
    try:
        named = names.get((EntityType(row["entity_type"]), row["entity_id"]))
    except ValueError:  # a row of the host's own: quote, contract
        named = None
    return {
        "id": str(row["id"]),
        "created_at": _moment(row["created_at"]),
        "entity_type": row["entity_type"],
        "entity_id": str(row["entity_id"]),
        "name": None if named is None else named.title,
        "detail": None if named is None else named.detail,
        "status": row["status"],
        "attempt_number": row["attempt_number"],
        "duration_ms": row["duration_ms"],
        "api_calls": row["api_calls"],
        "failure_class": row["failure_class"],
        "zoho_code": row["zoho_code"],
        "zoho_entity_id": row["zoho_entity_id"],
        "outbox_id": row["outbox_id"],
        "error_message": row["error_message"],
    }


COUNTS = ("total", "synced", "pending", "waiting", "failed", "syncing", "retrying", "skipped")


def _counts(of_type: TypeCounts) -> dict[str, int | None]:
    return {
        "total": of_type.eligible,
        "synced": of_type.in_zoho,
        "pending": of_type.pending,
        "waiting": of_type.waiting,
        "failed": of_type.dead,
        "syncing": of_type.processing,
        "retrying": of_type.retrying,
        "skipped": of_type.skipped,
    }


def _added(counts: Sequence[Mapping[str, int | None]]) -> dict[str, int | None]:
    """None where one of them is not known: a sum of the others would be taken for the whole."""
    columns = {name: [one[name] for one in counts] for name in COUNTS}
    return {
        name: None if None in column else sum(number for number in column if number is not None)
        for name, column in columns.items()
    }


def status_as_json(now: StandingNow, names: Mapping[tuple[EntityType, UUID], Named]) -> dict[str, Any]:
    """The answer of ``/status``."""
    by_type: dict[str, dict[str, Any]] = {}
    for entity_type, of_type in now.status.by_type.items():
        outcomes = now.outcomes.get(entity_type, Outcomes())
        waits = [
            max(row["oldest_seconds"], 0.0)
            for row in now.entries
            if row["entity_type"] == entity_type and row["status"] != EntryStatus.DEAD
        ]
        by_type[entity_type] = {
            **_counts(of_type),
            "success_rate": outcomes.success_rate,
            "oldest_seconds": max(waits, default=None),
        }
    all_outcomes = sum(now.outcomes.values(), Outcomes())
    return {
        "overall": _added(list(by_type.values())),
        "by_type": by_type,
        "recent_failures_24h": [item_as_json(row, names) for row in now.recent_failures],
        "health": {"success_rate": all_outcomes.success_rate, "failure_count": all_outcomes.day_failures},
        "organisation": _organisation(now.status.organisation),
        "as_of": _moment(now.read_at),
        "remarks": [*now.status.remarks, *([f"not renewed: {now.trouble}"] if now.trouble else [])],
    }


def _organisation(organisation: OrganisationStatus) -> dict[str, Any]:
    return {
        "state": organisation.state,
        "since": _moment(organisation.since),
        "until": _moment(organisation.until),
        "why": organisation.why,
        "last_good_reply_at": _moment(organisation.last_good_reply_at),
        "id": organisation.id,
        "name": organisation.name,
        "mode": organisation.mode,
    }


def log_query(request: Request, zone: tzinfo) -> LogQuery:
    """The query, checked. An empty value is none. Raises :class:`BadRequest`."""
    given = _parameters(request, ("entity_type", "status", "since", "until", "limit", "offset"))
    return LogQuery(
        entity_type=_entity_type(given["entity_type"]) if "entity_type" in given else None,
        status=_one_of("status", given.get("status"), LOG_STATUSES),
        since=_when("since", given.get("since"), zone),
        until=_when("until", given.get("until"), zone),
        limit=min(_number("limit", given.get("limit"), DEFAULT_ITEMS, least=1), MOST_ITEMS),
        # Beyond the window there is nothing to be found.
        offset=min(_number("offset", given.get("offset"), 0, least=0), WINDOW),
    )


def _parameters(request: Request, known: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            allowed = f"it knows {', '.join(known)}" if known else "it takes none"
            raise BadRequest(f"unknown parameter {name[:100]!a}: {allowed}")
        if name in given:
            raise BadRequest(f"{name}: given twice")
        given[name] = value
    return {name: value for name, value in given.items() if value}


def _entity_type(value: str) -> EntityType:
    try:
        return EntityType(value)
    except ValueError:
        raise BadRequest(f"entity_type: one of {', '.join(EntityType)}") from None


def _one_of(name: str, value: str | None, words: Sequence[str]) -> str | None:
    if value is not None and value not in words:
        raise BadRequest(f"{name}: one of {', '.join(words)}")
    return value


def _number(name: str, value: str | None, default: int, *, least: int) -> int:
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,100}", value) or int(value) < least:
        raise BadRequest(f"{name}: a whole number from {least}")
    return int(value)


_MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<time>\d\d:\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,20})?)?(?P<zone>[Zz]|[+ -]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def _when(name: str, value: str | None, zone: tzinfo) -> datetime | None:
    """A moment of ISO 8601; without an offset it is one of ZOHO_TIME_ZONE, without a time the day's beginning."""
    if value is None:
        return None
    parts = _MOMENT.fullmatch(value)
    try:
        if parts is None:
            raise ValueError(value)
        # A leap second, and the year before the first, are nothing that Python could hold.
        second = min(parts["second"] or "00", "59") if parts["second"] in {None, "60"} else parts["second"]
        # A plus that was not encoded arrives as a space.
        offset = (parts["zone"] or "").replace(" ", "+").upper()
        text = f"{parts['date']}T{parts['time'] or '00:00'}:{second}{(parts['fraction'] or '')[:7]}{offset}"
        if text.startswith("0000"):
            datetime.fromisoformat(f"0004{text[4:]}")
            return EARLIEST
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name}: a moment like 2026-01-31T08:00:00+02:00, or a day like 2026-01-31") from None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment


def named_entity(body: bytes) -> tuple[EntityType, UUID]:
    """The row that a body ``{"entity_type": …, "entity_id": …}`` names. Raises :class:`BadRequest`."""
    try:
        given = simplejson.loads(body.decode("utf-8"), use_decimal=True)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(given, dict) or set(given) != {"entity_type", "entity_id"}:
        raise BadRequest('the body must be {"entity_type": …, "entity_id": …} and nothing else')
    word, text = given["entity_type"], given["entity_id"]
    if not isinstance(word, str):
        raise BadRequest(f"entity_type: one of {', '.join(EntityType)}")
    # UUID() reads more than the usual form: braces, urn:uuid:, no hyphens.
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise BadRequest("entity_id: the row's uuid")
    return _entity_type(word), UUID(text)
