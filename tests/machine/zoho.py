"""Zoho in memory, and a client whose requests leave, are executed and are answered when somebody says so."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx
import simplejson

from outbox.database import Database
from outbox.store.statements import statement
from outbox.store.verdicts import Lease
from outbox.vocabulary import OrganisationState, Urgency
from outbox.zoho.call_log import CallLog, Exchange
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, classify_reply, classify_transport
from outbox.zoho.ports import SendingStopped
from tests.machine.gates import GO, pass_gate

Record = dict[str, Any]
Answer = tuple[int, Mapping[str, Any]]

EXTERNAL_ID = "External ID"
ACCOUNT_NUMBER = "Account Number"


class Reply(StrEnum):
    """How a request ends for who sent it."""

    GOOD = GO
    """Executed, and Zoho's own answer arrives: good, or its refusal of a duplicate."""
    LOST_DONE = "lost, done"
    LOST_UNDONE = "lost, not done"
    """Or not yet: it may be executed later."""
    ERROR_DONE = "server error, done"
    ERROR_UNDONE = "server error, not done"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNAUTHORISED = "unauthorised"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    """Done already, or perhaps later."""


DONE = frozenset({Reply.GOOD, Reply.LOST_DONE, Reply.ERROR_DONE})
FATE_OPEN = frozenset({Reply.LOST_UNDONE, Reply.ERROR_UNDONE, Reply.TIMED_OUT})


@dataclass(eq=False)
class Flight:
    """A request from its lease check on."""

    request: ApiRequest
    entity: UUID
    holder: "Holder"
    checked_at: float
    """True seconds."""
    checked_by_own_clock: float
    seconds: float
    """What it may take."""
    left: bool = False
    executed: Answer | None = None
    ended_at: float | None = None
    """True seconds: the sender knows no more of it."""
    can_be_executed: bool = True
    """False: it was answered with a refusal, or never left."""

    executed_late: bool = False
    """At a time when its sender ought to have given it up."""

    @property
    def is_create(self) -> bool:
        return not self.request.may_be_repeated

    @property
    def own_end(self) -> float:
        """When its sender gives it up at the latest."""
        return self.checked_at + self.seconds

    @property
    def given_up_at(self) -> float:
        """When its sender gave it up, or will."""
        return self.own_end if self.ended_at is None else min(self.own_end, self.ended_at)

    def execute(self, zoho: "FakeZoho", now: float) -> None:
        """Zoho does it."""
        self.executed = zoho.execute(self.request, now, given_up_at=now if self.ended_at is None else self.given_up_at)
        self.executed_late = not self.request.is_read and now > self.own_end


@dataclass(eq=False)
class Holder:
    """Who sends: what is known of its lease without asking the code under test."""

    replica: Any
    lease: Lease
    good_until: float
    """By the replica's own clock."""
    freezes: int
    """How often the replica's clock had stood still by then: it says nothing of this lease once that is more."""


@dataclass
class FakeZoho:
    """Records by module. Creates are counted by External ID."""

    unique_names: bool = True
    """Whether a second customer of the same display name is refused."""
    filters_mails: bool = True
    """Whether the undocumented filter ``email=`` is honoured."""
    list_lag: float = 0.0
    """Seconds for which lists do not show what was created."""
    shows_within: float = 25.0
    """But never longer than this after the sender gave the create up: part of the proviso, as nobody who only looks
    could tell it from a create that is executed later."""
    listed_from: dict[str, float] = field(default_factory=dict)
    unlisted: int = 0
    """Records that lists ought to have shown, and did not yet."""
    records: dict[str, dict[str, Record]] = field(default_factory=lambda: {"customer": {}, "payment": {}})
    creates: dict[str, int] = field(default_factory=dict)
    _next: int = 1

    def execute(self, request: ApiRequest, now: float, *, given_up_at: float) -> Answer:
        """What Zoho does with a request, and its answer."""
        module = request.path.strip("/").split("/")[0].removesuffix("s")
        if module == "subscription":
            return 200, {"code": 0, "message": "success", "subscriptions": [], "page_context": {"has_more_page": False}}
        records = self.records[module]
        match request.method, request.path.strip("/").split("/")[1:]:
            case "GET", []:
                found = [(known, record) for known, record in records.items() if self._listed(record, request)]
                rows = [_list_row(module, record) for known, record in found if self.listed_from[known] <= now]
                self.unlisted += len(found) - len(rows)
                return 200, {"code": 0, "message": "success", f"{module}s": rows}
            case "POST", []:
                listed_from = max(now, min(now + self.list_lag, given_up_at + self.shows_within))
                return self._create(module, records, request, listed_from)
            case "GET", [known] if known in records:
                return self._good(module, records[known])
            case "PUT", [known] if known in records:
                records[known] |= dict(request.body or {})
                return self._good(module, records[known])
            case "POST", [known, action] if known in records:
                records[known]["status"] = {"markasactive": "active", "markasinactive": "inactive"}[action]
                return self._good(module, records[known])
            case _:
                return 404, {"code": 1002, "message": f"{module} does not exist"}

    def of(self, module: str, external_id: str) -> list[str]:
        """Ids of the records that carry a row's id."""
        return [known for known, record in self.records[module].items() if external_id_of(record) == external_id]

    def _listed(self, record: Record, request: ApiRequest) -> bool:
        asked = request.query.get("email")
        return asked is None or not self.filters_mails or record.get("email") == asked

    def _create(self, module: str, records: dict[str, Record], request: ApiRequest, listed_from: float) -> Answer:
        body = dict(request.body or {})
        name = body.get("display_name")
        if self.unique_names and name and any(record.get("display_name") == name for record in records.values()):
            return 400, {"code": 3062, "message": f"The customer {name} already exists"}
        zoho_id = f"46{self._next:04}"
        self._next += 1
        records[zoho_id] = {f"{module}_id": zoho_id, "status": "active"} | body
        self.listed_from[zoho_id] = listed_from
        owner = external_id_of(body)
        self.creates[owner] = self.creates.get(owner, 0) + 1
        return 201, {"code": 0, "message": "created", module: dict(records[zoho_id])}

    @staticmethod
    def _good(module: str, record: Record) -> Answer:
        return 200, {"code": 0, "message": "success", module: dict(record)}


def external_id_of(record: Mapping[str, Any]) -> str:
    """The row that a record is of; of a payment its reference number."""
    for custom in record.get("custom_fields", ()):
        if custom["label"] == EXTERNAL_ID:
            return str(custom["value"])
    return str(record.get("reference_number", ""))


def _list_row(module: str, record: Record) -> Record:
    # List rows carry no custom fields.
    shown = ("customer_id", "display_name", "email", "first_name", "last_name", "company_name", "status")
    return {key: record[key] for key in shown if key in record} if module == "customer" else dict(record)


@dataclass
class FlightClient:
    """Stands in for :class:`outbox.zoho.client.ZohoClient`, for one claim."""

    zoho: FakeZoho
    database: Database
    holder: Holder
    entity: UUID
    flights: list[Flight]
    true_time: Callable[[], float]
    request_seconds: float

    async def send(
        self,
        request: ApiRequest,
        *,
        urgency: Urgency,
        before_departure: Callable[[], Awaitable[None]] | None = None,
        call_log: CallLog | None = None,
    ) -> ApiReply:
        """Permission, departure, flight, answer: a gate before each."""
        if not request.is_read:
            await pass_gate("permission", request)
        await self._permit()
        if before_departure is not None:
            await before_departure()
        own = self.holder.replica.clock.monotonic()
        assert own + self.request_seconds <= self.holder.good_until, (
            f"{request.method} {request.path} leaves with {self.holder.good_until - own:g} s of its lease left"
        )
        flight = Flight(request, self.entity, self.holder, self.true_time(), own, self.request_seconds)
        self.flights.append(flight)
        try:
            if not request.is_read:
                await pass_gate("leaving", flight)
            flight.left = True
            outcome = self._answer(flight, Reply(await pass_gate("flight", flight)))
        finally:
            if flight.ended_at is None:
                flight.ended_at = self.true_time()
        if call_log is not None:
            call_log.exchanges.append(Exchange(request, outcome, 100))
        if isinstance(outcome, Failure):
            raise CallFailed(outcome)
        return outcome

    async def pages(
        self,
        request: ApiRequest,
        *,
        urgency: Urgency,
        before_departure: Callable[[], Awaitable[None]] | None = None,
        call_log: CallLog | None = None,
    ) -> AsyncIterator[ApiReply]:
        """One page: all of it."""
        yield await self.send(request, urgency=urgency, before_departure=before_departure, call_log=call_log)

    async def _permit(self) -> None:
        row = await self.database.row(statement("read_organisation"))
        assert row is not None
        if row["state"] != OrganisationState.RUNNING and not row["probe_due"]:
            raise SendingStopped(OrganisationState(row["state"]), row["why"] or "?", row["until"])

    def _answer(self, flight: Flight, reply: Reply) -> ApiReply | Failure:
        request = flight.request
        if flight.executed is None and reply in DONE and flight.can_be_executed:
            flight.execute(self.zoho, self.true_time())
        if reply not in FATE_OPEN and flight.executed is None:
            flight.can_be_executed = False
        match reply:
            case Reply.GOOD if flight.executed is not None:
                return _read(request, *flight.executed)
            case Reply.GOOD | Reply.TIMED_OUT:
                return classify_transport(request, TimeoutError())
            case Reply.LOST_DONE | Reply.LOST_UNDONE:
                return classify_transport(request, httpx.ReadError("reset"))
            case Reply.ERROR_DONE | Reply.ERROR_UNDONE:
                return _read(request, 500, {"code": 1000, "message": "Internal error"})
            case Reply.REFUSED:
                return _read(request, 400, {"code": 2, "message": "Invalid value passed for phone"})
            case Reply.THROTTLED:
                return _read(request, 429, {"code": 44, "message": "Too many requests"})
            case Reply.UNAUTHORISED:
                return _read(request, 401, {"code": 57, "message": "You are not authorized"})
            case Reply.UNREACHABLE:
                return classify_transport(request, httpx.ConnectError("refused"))


def _read(request: ApiRequest, status: int, body: Mapping[str, Any]) -> ApiReply | Failure:
    content = simplejson.dumps(body, use_decimal=True).encode()
    return classify_reply(request, status, httpx.Headers(), content, 0.1)
