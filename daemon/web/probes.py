"""``/healthz`` and ``/readyz``: for whoever supervises the process, without sign-in, without a word about anybody.

``/healthz`` is 200 as long as the process answers. ``/readyz`` is 200 where the database was reached, notifications
arrive, and no loop has stalled; else 503 with the reasons. A daemon that polls because its notifications are swallowed
does its work, later: it is not ready, and says so; nothing is restarted for it (``/healthz`` is what to restart by).
A pause or a throttled organisation does not make it unready: the daemon does what it is told.
"""

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daemon.web.cached import Cached
from daemon.web.context import Context
from outbox.database import DatabaseUnavailable
from outbox.logs import Event

FRESH_SECONDS = 2.0
"""However often somebody asks: between two questions to the database."""

PATIENCE_SECONDS = 2.5
"""For its answer; then it counts as not reached."""

NOT_REACHED = "the database is not reached; the daemon's log says why"
"""Nobody signs in here: libpq's own words name host, port, user and database."""


def routes(context: Context) -> list[BaseRoute]:
    """The two of them."""

    async def ask() -> int:
        try:
            return await context.probing.execute("SELECT 1")
        except DatabaseUnavailable as gone:
            structlog.get_logger().warning(Event.HTTP_UNAVAILABLE, method="GET", path="/readyz", reason=str(gone))
            raise

    reached = Cached(
        ask,
        context.clock,
        fresh_seconds=FRESH_SECONDS,
        # An answer that is older proves nothing.
        stale_seconds=FRESH_SECONDS + PATIENCE_SECONDS,
    )

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        reasons = why_not_working(context)
        try:
            reading = await reached.now(patience=PATIENCE_SECONDS, first_patience=PATIENCE_SECONDS)
            reached_now = reading.trouble is None
        except DatabaseUnavailable:
            reached_now = False
        if not reached_now:
            reasons.insert(0, NOT_REACHED)
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    return [Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])]


def why_not_working(context: Context) -> list[str]:
    """What the process knows of itself that keeps it from being ready."""
    liveness = context.liveness
    reasons = []
    if not liveness.started:
        reasons.append("it has not started: it waits for the database")
    elif not liveness.listening:
        reasons.append(
            f"not listening: notifications do not arrive, changes are found by polling every "
            f"{context.settings.outbox_poll_seconds:g} s"
        )
    if liveness.stalled:
        reasons.append(f"stalled: {', '.join(liveness.stalled)}")
    if liveness.draining:
        reasons.append("it was told to stop and finishes what it holds")
    return reasons
