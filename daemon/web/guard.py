"""What every request passes first: its host, its time, its place among the others; and what every answer carries.

Nothing that goes wrong in a handler gets past here: the daemon must not notice it.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address

import anyio
import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.web.authority import STATIC, PageRefused
from daemon.web.forms import BodyTooLarge
from daemon.web.refusal import refused
from outbox.database import DatabaseUnavailable
from outbox.logs import Event
from outbox.settings import ListenAddress
from outbox.store.dashboard import SchemaTooOld
from outbox.zoho.regions import is_loopback_host

REQUEST_SECONDS = 15.0
"""From the request's first line to the answer's last byte, at our side; what waits longer is told to come again."""

AT_ONCE = 8
"""Requests for pages and API that are worked on; health and metrics are never kept waiting by them."""

PLACE_SECONDS = 5.0
"""Whoever finds no place for so long is told to come again."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

FILES = "public, max-age=3600"
"""Of style, script and icon, which hold no secret: pages name them with the version, so that a newer page gets its
own."""

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::\d{1,5})?")


class AllowedHosts:
    """Which ``Host`` a request may name: a page of another site must not reach us under its own name (DNS rebinding).

    The names of this machine's loopback and the address that we listen on. Behind a proxy (``OUTBOX_HTTP_TRUST_PROXY``)
    any well-formed name: the proxy decides which names lead here, and we know no other; whoever gets past it under a
    foreign name has neither cookie nor token.
    """

    def __init__(self, listen: ListenAddress | None, *, trust_proxy: bool) -> None:
        self._any = trust_proxy
        self._own = None if listen is None else _canonical(listen.host)

    def __contains__(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = _canonical(parts["name"].removeprefix("[").removesuffix("]"))
        return self._any or is_loopback_host(name) or name == self._own


def _canonical(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


class Guard:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, *, hosts: AllowedHosts, always: Iterable[str]) -> None:
        """``always``: paths that need no place and are not bound by the others' number."""
        self._app = app
        self._hosts = hosts
        self._always = frozenset(always)
        self._places = anyio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        answer = _Answer(scope, send)
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if host not in self._hosts:
            # In plain text: a page would ask for its style under that name.
            words = f"this host name is not served here: {host[:253]!a}\n"
            await PlainTextResponse(words, 400)(scope, receive, answer)
            return
        if not scope["path"].isprintable():
            # The gate goes by how a path begins, routes by patterns in which a dot is no line break: what the two read
            # differently would reach a handler past the gate.
            words = "the address holds a character that cannot be printed"
            await _refusal(scope, 400, words)(scope, receive, answer)
            return
        try:
            with anyio.fail_after(REQUEST_SECONDS):
                await self._with_place(scope, receive, answer)
        except PageRefused as refusal:
            await answer.instead(_refusal(scope, refusal.status, refusal.message), receive)
        except TimeoutError:
            await answer.instead(_refusal(scope, 503, "this took too long; try again", in_doubt=True), receive)
        except BodyTooLarge:
            await answer.instead(_refusal(scope, 413, "the request is too large"), receive)
        except SchemaTooOld as old:
            await answer.instead(_refusal(scope, 503, str(old)), receive)
        except DatabaseUnavailable as gone:
            _log_unavailable(scope, gone)
            await answer.instead(_refusal(scope, 503, "the database does not answer", in_doubt=True), receive)
        except Exception as error:
            if isinstance(error, ExceptionGroup) and error.split(DatabaseUnavailable)[1] is None:
                # Several questions that were asked at once.
                _log_unavailable(scope, error.exceptions[0])
                await answer.instead(_refusal(scope, 503, "the database does not answer", in_doubt=True), receive)
                return
            structlog.get_logger().error(
                Event.HTTP_FAILED, method=scope["method"], path=scope["path"][:200], exc_info=error
            )
            words = "a mistake of ours; the daemon's log says more"
            await answer.instead(_refusal(scope, 500, words, in_doubt=True), receive)

    async def _with_place(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._always:
            await self._app(scope, receive, send)
            return
        try:
            with anyio.fail_after(PLACE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            await _refusal(scope, 503, "too many requests at once; try again")(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._places.release()


class _Answer:
    """Adds headers to what is sent, and remembers whether anything was."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            is_file = self._scope["path"].startswith(f"{STATIC}/") and message["status"] in {200, 304}
            headers.setdefault("cache-control", FILES if is_file else "no-store")
        await self._send(message)

    async def instead(self, response: Response, receive: Receive) -> None:
        """An answer in place of the one that failed. One that has begun cannot be taken back: it is cut off."""
        if not self._begun:
            await response(self._scope, receive, self)


def _log_unavailable(scope: Scope, gone: Exception) -> None:
    # Not to whoever asked: libpq's words name host, port, user and database.
    structlog.get_logger().warning(
        Event.HTTP_UNAVAILABLE, method=scope["method"], path=scope["path"][:200], reason=str(gone)
    )


def _refusal(scope: Scope, status: int, message: str, *, in_doubt: bool = False) -> Response:
    headers = {"retry-after": "5"} if status == 503 else {}
    return refused(Request(scope), status, message, headers, in_doubt=in_doubt)
