"""From what people have in hand, an account number, an invoice number, a transaction, to the row's page."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from daemon.web.context import Context
from daemon.web.pages.frame import page, subject
from daemon.web.pages.wording import BASE, Wording
from outbox.host_tables import HOST_TABLES
from outbox.store.dashboard import Dashboard
from outbox.store.readings import Readings, Unreadable
from outbox.vocabulary import EntityType

LONGEST = 200


def routes(context: Context) -> list[BaseRoute]:
    """The search."""
    dashboard, readings = Dashboard(context.database), Readings(context.database)

    async def find(request: Request) -> Response:
        wanted = " ".join(request.query_params.get("q", "").split())[:LONGEST]
        found = await _found(dashboard, readings, wanted) if wanted.isprintable() and wanted else []
        if len(found) == 1:
            return RedirectResponse(Wording.entity(*found[0]), 303)
        names = await dashboard.names(found)
        return await page(
            request,
            context,
            "find.html",
            status_code=200 if found else 404,
            wanted=wanted,
            subjects=[subject(names, entity_type, entity_id) for entity_type, entity_id in found],
        )

    return [Route(f"{BASE}/find", find, methods=["GET"])]


async def _found(dashboard: Dashboard, readings: Readings, wanted: str) -> list[tuple[EntityType, UUID]]:
    try:
        row = UUID(wanted)
    except ValueError:
        pass
    else:
        return [*await dashboard.names((entity_type, row) for entity_type in EntityType)]
    # Unique columns first: the others have no index.
    for columns in ("known_by", "also_known_by"):
        found: list[tuple[EntityType, UUID]] = []
        for entity_type, table in HOST_TABLES.items():
            column = getattr(table, columns)
            if column is None:
                continue
            ids = await readings.known_as(entity_type, column, wanted)
            if not isinstance(ids, Unreadable):
                found += [(entity_type, entity_id) for entity_id in ids]
        if found:
            return found
    return []
