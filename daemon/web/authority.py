"""Who is asking, and whether they may: the gate before every page and every call of the API.

A person signs in with a name and the admin token and carries a signed cookie; a program sends ``Authorization: Bearer``
with ``X-Operator``. The name is not proved, it is given: whoever knows the token acts, and log and tables say under
which name. A change that comes with a cookie must carry the session's CSRF token; one with a Bearer token needs none,
because no browser adds that header by itself.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.web.attempts import FailedAttempts
from daemon.web.forms import BODY_IN_SCOPE, form_of
from daemon.web.sessions import COOKIE, Session, SessionSigner
from outbox.clock import Clock
from outbox.database import Database
from outbox.database.access import Connection
from outbox.logs import Event

PAGES = "/admin/zoho-sync"
API = "/api/admin/zoho-sync"
SIGN_IN = f"{PAGES}/sign-in"
STATIC = f"{PAGES}/static"
DESCRIPTION = f"{API}/openapi.json"

NO_TOKEN = (
    "OUTBOX_ADMIN_TOKEN is not set, so pages and API refuse. Set it to at least 32 characters (openssl rand -hex 32) "  # noqa: S105
    "and restart the daemon."
)

LONGEST_NAME = 64

LONGEST_ADDRESS = 64
"""Of what a proxy says: it is kept and logged."""

CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class PageRefused(Exception):  # noqa: N818 - a refusal
    """Nobody may see or do this; :class:`daemon.web.guard.Guard` answers."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class Operator:
    """Who acts."""

    name: str


def operator_name(given: str) -> str | None:
    """A name as it may stand in tables and logs: 1 to 64 printable characters; None where it is none."""
    name = " ".join(given.split())
    return name if name and len(name) <= LONGEST_NAME and name.isprintable() else None


def operator_of(request: HTTPConnection) -> Operator:
    """Whoever the gate let through. RuntimeError where the route stands outside of it."""
    operator = signed_in(request)
    if operator is None:
        raise RuntimeError(f"{request.url.path} is not behind the gate")
    return operator


def signed_in(request: HTTPConnection) -> Operator | None:
    """Whoever is signed in; None on the sign-in page."""
    found: Operator | None = request.scope.get("zoho_outbox.operator")
    return found


def csrf_token(request: HTTPConnection) -> str:
    """For the forms of a page: field ``csrf_token``, or header ``X-CSRF-Token``. Empty where nobody is signed in."""
    token: str = request.scope.get("zoho_outbox.csrf_token", "")
    return token


@asynccontextmanager
async def acting(database: Database, operator: Operator) -> AsyncIterator[Connection]:
    """A transaction in which operators' SQL functions record this name (``zoho_outbox_private.acting()``)."""
    async with database.transaction() as connection:
        await connection.execute("SELECT set_config('zoho_outbox.operator', %s, true)", [operator.name])
        yield connection


def log_action(operator: Operator, action: str, *, why: str | None = None, **facts: Any) -> None:
    """Who did what, and why. ``facts``: ids and account numbers, no personal data."""
    given = {"why": why} if why is not None else {}
    structlog.get_logger().info(Event.OPERATOR_ACTED, operator=operator.name, action=action, **given, **facts)


def address_of(request: HTTPConnection, *, trust_proxy: bool) -> str:
    """Who counts as the client: behind a proxy, the last one that it names, which is the one it saw itself."""
    if trust_proxy:
        last = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if last:
            return last[:LONGEST_ADDRESS]
    return request.client.host if request.client else ""


def came_by_https(request: HTTPConnection, *, trust_proxy: bool) -> bool:
    """Whether the browser's own connection was encrypted, as the proxy says."""
    return (
        trust_proxy and request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower() == "https"
    ) or request.url.scheme == "https"


def is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another site sent this.

    ``Sec-Fetch-Site`` where the browser sends it, else ``Origin`` against ``Host``. A program sends neither.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


class Gate:
    """Before pages and API. Sets who asks in the ASGI scope, or answers in their place; raises :class:`PageRefused`.

    Pages: 303 to the sign-in page where nobody is signed in, 401 where a script asks (it must not get a page for a
    table); 403 for a change without the CSRF token. API: 401, 403, and 429 where too many wrong tokens came. Without a
    configured token: 503 that says how.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        signer: SessionSigner | None,
        failed: FailedAttempts,
        clock: Clock,
        trust_proxy: bool,
    ) -> None:
        self._app = app
        self._signer = signer
        self._failed = failed
        self._clock = clock
        self._trust_proxy = trust_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path: str = scope["path"] if scope["type"] == "http" else ""
        if not _is_below(path, "/admin") and not _is_below(path, "/api"):
            await self._app(scope, receive, send)
            return
        if path.startswith(f"{STATIC}/") or path == DESCRIPTION:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        if BODY_IN_SCOPE in scope:
            receive = _again(scope[BODY_IN_SCOPE], receive)
        await (answer or self._app)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """None: let through."""
        if self._signer is None:
            return _refusal(request, 503, NO_TOKEN)
        if "authorization" in request.headers and _is_below(request.url.path, "/api"):
            return self._by_bearer(request, self._signer)
        return await self._by_cookie(request, self._signer)

    def _by_bearer(self, request: Request, signer: SessionSigner) -> Response | None:
        address = address_of(request, trust_proxy=self._trust_proxy)
        wait = self._failed.seconds_to_wait(address)
        if wait:
            return _refusal(request, 429, f"too many wrong tokens; again in {wait} s", {"retry-after": str(wait)})
        scheme, _, token = request.headers["authorization"].partition(" ")
        if scheme.lower() != "bearer" or not signer.is_admin_token(_as_utf8(token.strip())):
            self._failed.failed(address)
            structlog.get_logger().warning(Event.OPERATOR_REFUSED, address=address, way="bearer")
            return _refusal(
                request, 401, "the token is not OUTBOX_ADMIN_TOKEN", {"www-authenticate": 'Bearer realm="zoho-outbox"'}
            )
        name = operator_name(_as_utf8(request.headers.get("x-operator", "")))
        if name is None:
            return _refusal(
                request, 400, "say who acts: a header X-Operator with a name of 1 to 64 printable characters"
            )
        request.scope["zoho_outbox.operator"] = Operator(name)
        return None

    async def _by_cookie(self, request: Request, signer: SessionSigner) -> Response | None:
        session = self._session(request, signer)
        if session is not None:
            request.scope["zoho_outbox.operator"] = Operator(session.name)
            request.scope["zoho_outbox.csrf_token"] = signer.csrf_token(session)
        if request.url.path == SIGN_IN:
            # There is no session to take a token from yet; that the form is ours, the browser says.
            if request.method not in SAFE_METHODS and is_from_elsewhere(request.headers):
                return _refusal(request, 403, "this sign-in was sent by another site")
            return None
        if session is None:
            return _nobody(request)
        if request.method not in SAFE_METHODS:
            presented = request.headers.get(CSRF_HEADER) or (await form_of(request)).get(CSRF_FIELD, "")
            if is_from_elsewhere(request.headers) or not signer.is_csrf_token(session, presented):
                return _refusal(
                    request, 403, "this change does not carry the session's token: load the page again, and repeat it"
                )
        return None

    def _session(self, request: Request, signer: SessionSigner) -> Session | None:
        cookie = request.cookies.get(COOKIE)
        return signer.read(cookie, self._clock.now(UTC).timestamp()) if cookie else None


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read to find the token is there for the handler, too."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def _as_utf8(header: str) -> str:
    """Header values arrive as latin-1; programs send UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _nobody(request: Request) -> Response:
    if _is_below(request.url.path, "/api"):
        return _refusal(
            request,
            401,
            "send Authorization: Bearer with OUTBOX_ADMIN_TOKEN and X-Operator with your name, or sign in at "
            f"{SIGN_IN}",
            {"www-authenticate": 'Bearer realm="zoho-outbox"'},
        )
    if request.method not in SAFE_METHODS or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return _refusal(request, 401, "the session has ended: sign in again")
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN}?next={quote(wanted, safe='')}", 303)


def _refusal(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    if _is_below(request.url.path, "/api"):
        return JSONResponse({"error": message}, status, headers)
    raise PageRefused(status, message)


def is_own_page(target: str) -> bool:
    """Whether ``next`` of the sign-in page may be followed: a path of ours, and nothing that leaves the host."""
    return _is_below(target.partition("?")[0], PAGES) and target.isprintable() and "\\" not in target
