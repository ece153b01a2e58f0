"""The way of one request: route, authorisation, organisation, quota, fault, endpoint, reply.

A plain ASGI application rather than one assembled from Starlette's parts: a fault must be able to end the
connection, and benchmarks need the time. The endpoints are synchronous functions over the books, so each of
them is atomic.

An API request is refused in this order: no such route (404/405), no usable token (401), foreign organisation
(400), quota (429). Faults befall only requests that got past all of these: a rule that fires once is not to
be spent on a request that an expired token had stopped already.
"""

from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from outbox.simulator import replies
from outbox.simulator.calls import Call
from outbox.simulator.connections import end_connection
from outbox.simulator.faults import TOKEN_PATH, Fault
from outbox.simulator.misfortune import CarryOut, Outcome, befall
from outbox.simulator.renewals import bring_up_to_date
from outbox.simulator.replies import BrokenConnection, Refusal, Reply
from outbox.simulator.routes import ORGANISATIONS, ROUTES, Route, RouteTable
from outbox.simulator.state import JournalLine, Simulator

API_ROOT = "/billing/v1"
CONTROL_ROOT = "/_simulator"
ORGANISATION_HEADER = b"x-com-zoho-subscriptions-organizationid"


@dataclass(slots=True)
class Asked:
    """An HTTP request as it came in."""

    method: str
    path: str
    """Percent-encoded, from the root."""
    query_text: str
    headers: dict[bytes, bytes]
    body: bytes
    query: dict[str, str] = field(default_factory=dict)
    route: str = "(unknown)"
    """The template of its route, once it is found."""
    fault: str = ""
    """The kind of the fault that befell it."""


class Application:
    """The ASGI application over a :class:`~outbox.simulator.state.Simulator`."""

    def __init__(self, simulator: Simulator, control: ASGIApp) -> None:
        """`control` answers below ``/_simulator``."""
        self._simulator = simulator
        self._control = control
        self._routes = RouteTable(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["raw_path"].decode("ascii")
        if path.startswith(CONTROL_ROOT + "/"):
            await self._control(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        asked = Asked(
            method=scope["method"],
            path=path,
            query_text=scope["query_string"].decode("latin-1"),
            headers=dict(scope["headers"]),
            body=body,
        )
        asked.query = dict(parse_qsl(asked.query_text, keep_blank_values=True))
        outcome = await self._outcome(asked)
        self._remember(asked, outcome)
        if isinstance(outcome, BrokenConnection):
            await end_connection(scope, receive, outcome)
        else:
            await _send(send, outcome, self._date())

    def _date(self) -> tuple[tuple[bytes, bytes], ...]:
        if not self._simulator.settings.date_header:
            return ()
        return ((b"date", formatdate(self._simulator.clock.now(), usegmt=True).encode()),)

    async def _outcome(self, asked: Asked) -> Outcome:
        if asked.path == TOKEN_PATH:
            return await self._token_outcome(asked)
        if not asked.path.startswith(API_ROOT + "/"):
            return replies.unknown_address().reply()
        statistics = self._simulator.statistics
        statistics.arrived(self._simulator.clock.now())
        try:
            if self._simulator.settings.latency_seconds:
                await self._simulator.wait(self._simulator.settings.latency_seconds)
            outcome = await self._api_outcome(asked)
        except Refusal as refusal:
            outcome = refusal.reply()
        finally:
            statistics.in_flight -= 1
        statistics.by_route[f"{asked.method} {asked.route}"] += 1
        if isinstance(outcome, Reply):
            statistics.answered(outcome.status, outcome.code)
        else:
            statistics.answered(0, None)
        return outcome

    async def _token_outcome(self, asked: Asked) -> Outcome:
        simulator = self._simulator
        simulator.statistics.token_requests += 1
        if asked.method != "POST":
            return replies.wrong_method().reply()
        parameters = asked.query | dict(parse_qsl(asked.body.decode(errors="replace")))
        host = asked.headers.get(b"host", b"").decode("latin-1")
        api_domain = simulator.settings.api_domain or f"http://{host}"

        def carry_out(_page_shift: int) -> Reply:
            return simulator.tokens.answer(parameters, api_domain, simulator.clock.now())

        fault = simulator.faults.choose(asked.method, TOKEN_PATH, asked.body)
        return carry_out(0) if fault is None else await self._befall(fault, asked, carry_out)

    async def _api_outcome(self, asked: Asked) -> Outcome:
        simulator = self._simulator
        path = asked.path.removeprefix(API_ROOT)
        route, arguments = self._routes.find(asked.method, path)
        asked.route = route.template
        now = simulator.clock.now()
        self._authorise(asked, route, now)
        organization_id = self._organization_id(asked, route)
        simulator.limits_by_id[organization_id].admit(now, simulator.statistics.in_flight)

        def carry_out(page_shift: int) -> Reply:
            call = Call(
                method=asked.method,
                path=path,
                route=route.template,
                arguments=arguments,
                query=asked.query,
                body=asked.body,
                books=simulator.books_by_id[organization_id],
                settings=simulator.settings,
                now=simulator.clock.now(),
                page_shift=page_shift,
                every_books=simulator.books_by_id,
            )
            bring_up_to_date(call.books, call.now)
            return self._carry_out(route, call)

        fault = simulator.faults.choose(asked.method, path, asked.body)
        return carry_out(0) if fault is None else await self._befall(fault, asked, carry_out)

    async def _befall(self, fault: Fault, asked: Asked, carry_out: CarryOut) -> Outcome:
        asked.fault = fault.rule.kind.value
        self._simulator.statistics.faults[asked.fault] += 1
        return await befall(fault, self._simulator, carry_out)

    def _carry_out(self, route: Route, call: Call) -> Reply:
        statistics = self._simulator.statistics
        try:
            reply = route.endpoint(call)
        except Refusal as refusal:
            reply = refusal.reply()
        if call.unknown_keys:
            statistics.ignored(f"{route.method} {route.template}", call.unknown_keys)
        if reply.creation is not None:
            statistics.created(reply.creation)
        return reply

    def _authorise(self, asked: Asked, route: Route, now: float) -> None:
        header = asked.headers.get(b"authorization", b"").decode("latin-1")
        scheme, _, access_token = header.partition(" ")
        if scheme not in {"Zoho-oauthtoken", "Bearer"} or not access_token:
            raise replies.unauthenticated()
        if not self._simulator.tokens.permits(access_token, route.scope, now):
            raise replies.unauthorised()

    def _organization_id(self, asked: Asked, route: Route) -> str:
        simulator = self._simulator
        default = simulator.default_organization_id
        if route.template == ORGANISATIONS:
            return default
        named = asked.headers.get(ORGANISATION_HEADER, b"").decode("latin-1") or asked.query.get("organization_id", "")
        if not named:
            return default
        if named in simulator.books_by_id:
            return named
        if simulator.settings.foreign_organisation_code == 57:
            raise replies.unauthorised()
        raise replies.foreign_organisation(named)

    def _remember(self, asked: Asked, outcome: Outcome) -> None:
        secret = asked.path == TOKEN_PATH
        self._simulator.journal.append(
            JournalLine(
                at=self._simulator.clock.now(),
                method=asked.method,
                path=asked.path,
                query="" if secret else asked.query_text,
                body=b"" if secret else asked.body,
                status=outcome.status if isinstance(outcome, Reply) else 0,
                code=outcome.code if isinstance(outcome, Reply) else None,
                fault=asked.fault,
            )
        )


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where the client left before it had sent all of it: such a request does
    nothing."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _send(send: Send, reply: Reply, more_headers: tuple[tuple[bytes, bytes], ...]) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type),
                (b"content-length", str(len(reply.content)).encode()),
                *reply.headers,
                *more_headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": reply.content})
