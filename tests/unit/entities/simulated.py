"""The simulator as an entity's Zoho, without a port: each request is carried out at once, and held to Zoho's files."""

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import simplejson

from outbox.simulator.calls import Call
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.renewals import bring_up_to_date
from outbox.simulator.replies import Refusal
from outbox.simulator.routes import ROUTES, RouteTable
from outbox.simulator.settings import LimitSettings, SimulatorSettings
from outbox.simulator.state import Simulator
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, classify_reply
from outbox.zoho.json_text import JsonValue, encode_body
from tests.zoho_specifications import specification

NOON = 1_795_168_800.0
"""2026-11-20, noon in Johannesburg."""

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise AssertionError("it waits for something")


class SimulatedZoho:
    """Implements :class:`outbox.entities.contract.Remote`. Keeps every request; refuses one that Zoho's files do not
    allow, a key that they do not know included."""

    def __init__(self) -> None:
        settings = SimulatorSettings(limits=LimitSettings.wide(), refuse_unknown_keys=True)
        self.simulator = Simulator(settings, SimulatorClock(start=NOON, running=False))
        self.requests: list[ApiRequest] = []
        self.bodies: list[tuple[str, Any]] = []
        """What left, decoded again, by 'METHOD template'."""
        self._routes = RouteTable(ROUTES)

    def held(self, collection: str) -> list[dict[str, Any]]:
        """Zoho's books."""
        found: list[dict[str, Any]] = self.simulator.holdings()[collection]
        return found

    def only(self, collection: str) -> dict[str, Any]:
        """The only record of a collection."""
        (record,) = self.held(collection)
        return record

    def send(self, request: ApiRequest) -> ApiReply:
        """Raises ``CallFailed``."""
        self.requests.append(request)
        route, arguments = self._routes.find(request.method, request.path)
        body = b"" if request.body is None else encode_body(request.body)
        if request.body is not None:
            decoded = simplejson.loads(body, use_decimal=True)
            self.bodies.append((f"{request.method} {route.template}", decoded))
            faults = specification.request_faults(request.method, route.template, decoded)
            assert faults == [], faults
        simulator = self.simulator
        call = Call(
            method=request.method,
            path=request.path,
            route=route.template,
            arguments=arguments,
            query=dict(request.query),
            body=body,
            books=simulator.books,
            settings=simulator.settings,
            now=simulator.clock.now(),
            every_books=simulator.books_by_id,
        )
        bring_up_to_date(call.books, call.now)
        try:
            answer = route.endpoint(call)
        except Refusal as refusal:
            answer = refusal.reply()
        outcome = classify_reply(request, answer.status, httpx.Headers(), answer.content, 0.0)
        if isinstance(outcome, Failure):
            raise CallFailed(outcome)
        return outcome

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        """GET."""
        return self.send(ApiRequest("GET", path, query or {})).body

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        """The only page: no test has two hundred records."""
        found = (await self.read(path, query))[key]
        assert isinstance(found, list), urlencode(query or {})
        for row in found:
            yield row

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        """There is no list that was read before."""
        return None

    async def write(self, request: ApiRequest) -> ApiReply:
        """What may be repeated."""
        assert request.may_be_repeated
        return self.send(request)

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        """What may not."""
        return self.send(request)
