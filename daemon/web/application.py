"""The web application: its routes, and the layers before them.

From outside to inside: :class:`~daemon.web.guard.Guard` (host name, time, number, headers, whatever goes wrong), then
:class:`~daemon.web.authority.Gate` (who asks), then the routes. Served by :mod:`daemon.web.server`.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from daemon.web import api, metrics, pages, probes, sign_in
from daemon.web.attempts import FailedAttempts
from daemon.web.authority import PAGES, STATIC, Gate
from daemon.web.context import Context
from daemon.web.guard import AllowedHosts, Guard
from daemon.web.sessions import SessionSigner

STATIC_FILES = Path(__file__).parent / "static"

ALWAYS = ("/healthz", "/readyz", "/metrics")


def build(context: Context) -> Starlette:
    """The application of one daemon."""
    settings = context.settings
    token = settings.outbox_admin_token
    signer = None if token is None else SessionSigner(token.get_secret_value())
    failed = FailedAttempts(context.clock)
    routes: list[BaseRoute] = [
        *probes.routes(context),
        *metrics.routes(context),
        *api.routes(context),
        *sign_in.routes(context, signer, failed),
        Mount(STATIC, StaticFiles(directory=STATIC_FILES, check_dir=False), name="static"),
        *pages.routes(context),
        Route("/", _home, methods=["GET"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(
                Guard,
                hosts=AllowedHosts(settings.outbox_http_listen, trust_proxy=settings.outbox_http_trust_proxy),
                always=ALWAYS,
            ),
            Middleware(
                Gate, signer=signer, failed=failed, clock=context.clock, trust_proxy=settings.outbox_http_trust_proxy
            ),
        ],
        exception_handlers={HTTPException: _told},
    )


async def _told(request: Request, error: Exception) -> Response:
    """No such path, or not with this method: in the words of the API where it was asked for."""
    if not isinstance(error, HTTPException):
        raise error
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


async def _home(_: Request) -> Response:
    return RedirectResponse(PAGES, 307)
