"""Dead letters: what nobody tries again by itself, grouped by cause, with what can be done about it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.web.context import Context
from daemon.web.pages.frame import page, place_of, place_text, with_subjects
from daemon.web.pages.wording import BASE, Wording
from outbox.store.dashboard import MOST_REPLAYED, NEWEST, Cause, Dashboard

PAGE_ROWS = 25


def routes(context: Context) -> list[BaseRoute]:
    """All causes, and one cause's letters."""
    dashboard = Dashboard(context.database)

    async def causes(request: Request) -> Response:
        found = await dashboard.dead_causes()
        sorted_letters = sum(row["letters"] for row in found)
        count = await dashboard.dead_count()
        return await page(
            request,
            context,
            "failed.html",
            causes=await with_subjects(dashboard, found),
            count=count,
            sorted_letters=sorted_letters,
        )

    async def letters(request: Request) -> Response:
        key = request.path_params["key"]
        before = place_of(request.query_params.get("before", ""))
        cause = Cause.of(key)
        if cause is None:
            return await page(request, context, "missing.html", status_code=404, missed="There is no such cause.")
        found, older = await dashboard.dead_letters(cause, before or NEWEST, PAGE_ROWS)
        return await page(
            request,
            context,
            "cause.html",
            key=key,
            rows=await with_subjects(dashboard, found),
            older=Wording.address(f"/failed/{key}", before=place_text(older)) if older else None,
            newest=Wording.address(f"/failed/{key}") if before else None,
            most_replayed=MOST_REPLAYED,
        )

    return [
        Route(f"{BASE}/failed", causes, methods=["GET"]),
        Route(f"{BASE}/failed/{{key}}", letters, methods=["GET"]),
    ]
