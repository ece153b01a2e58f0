"""Subscriptions in a Zoho of a few lines, and rows of services, for tests of the entity."""

from collections.abc import AsyncIterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from outbox.entities.contract import Desired, Terms
from outbox.entities.service_row import ServiceRow
from outbox.entities.subscription import BILLED_FROM, Subscription
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

SUBSCRIPTION = Subscription()

SERVICE = "00000000-0000-4000-8000-0000000d0001"
ANOTHERS = "00000000-0000-4000-8000-0000000d0002"
CUSTOMER = "9001"
TODAY = date(2026, 11, 21)
TERMS = Terms("ZAR", "External ID", "Account Number", zone=ZoneInfo("Africa/Johannesburg"), today=TODAY)
BACKFILL = replace(TERMS, in_backfill=True)

ROW = ServiceRow(
    id=UUID(SERVICE),
    customer_id=UUID("00000000-0000-4000-8000-0000000c0001"),
    package_id=UUID("00000000-0000-4000-8000-0000000b0001"),
    package_name="Fibre 100",
    monthly_price=Decimal("799.00"),
    status="active",
    billing_day=1,
    activation_date=date(2026, 11, 10),
    last_invoice_date=None,
    zoho_subscription_id=None,
    account_type="personal",
    account_number="CT-2025-00002",
    package_exists=True,
    published_name="Fibre 100/50",
    sku="FIB-100",
    publishing="ok",
    publishing_error=None,
    customer_zoho_id=CUSTOMER,
    customer_phase="idle",
)

Record = dict[str, Any]


def service(**columns: Any) -> ServiceRow:
    return replace(ROW, **columns)


def wanted(row: ServiceRow = ROW, terms: Terms = TERMS) -> Desired:
    return SUBSCRIPTION.desired(row, terms)


def sent(desired: Desired) -> dict[str, JsonValue]:
    """What of the content goes to Zoho."""
    return {key: value for key, value in desired.content.items() if key != BILLED_FROM}


def record(zoho_id: str = "70", **fields: Any) -> Record:
    """A subscription in Zoho that is as the row wants it."""
    return {
        "subscription_id": zoho_id,
        "status": "live",
        "amount": Decimal("799"),
        "plan": {"plan_code": "FIB-100", "price": Decimal("799"), "quantity": 1},
        "customer": {"customer_id": CUSTOMER, "display_name": "Anna Meadow"},
        "reference_id": SERVICE,
        "auto_collect": False,
        "child_invoice_id": "",
        "custom_fields": [{"index": 1, "label": "External ID", "value": SERVICE, "data_type": "text"}],
        "created_time": "2026-01-05T09:00:00+0200",
    } | fields


def at_price(price: str, code: str = "FIB-100", zoho_id: str = "70", **fields: Any) -> Record:
    plan = {"plan_code": code, "price": Decimal(price), "quantity": 1}
    return record(zoho_id, plan=plan, amount=Decimal(price), **fields)


def list_row(detail: Record) -> Record:
    thin = {key: value for key, value in detail.items() if key not in ("plan", "customer", "child_invoice_id")}
    return thin | {"plan_code": detail["plan"]["plan_code"], "customer_id": detail["customer"]["customer_id"]}


def refused(kind: FailureKind, code: int, message: str, status: int = 400) -> CallFailed:
    return CallFailed(Failure(FailureClass.PERMANENT, kind, message, "", http_status=status, code=code))


def reply(body: Mapping[str, JsonValue]) -> ApiReply:
    return ApiReply(200, 0, "", {"code": 0, **body}, 0.1)


class Zoho:
    """Records with their scheduled changes; every write is kept as 'METHOD action query or body'."""

    def __init__(self, *records: Record, listed: Sequence[Record] | None = None, filters: str = "honoured") -> None:
        self.records = {each["subscription_id"]: deepcopy(each) for each in records}
        self.changes: dict[str, Record] = {}
        self.kept_list = listed
        self.filters = filters
        self.lists: list[Mapping[str, str]] = []
        self.reads: list[str] = []
        self.writes: list[tuple[str, str, Any]] = []
        self.repeatable: list[bool] = []
        self.invoice_of_a_change = ""
        """What a change for the next term raises, although it should not."""
        self.schedules = "kept"
        """What becomes of a change for the next term: kept, at once, forgotten."""
        self.shows = "all"
        """What replies to writes hold: all, the state alone, or nothing but the envelope."""
        self.refusals: dict[str, CallFailed] = {}
        """By action."""

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        _, _, zoho_id, *rest = path.split("/")
        self.reads.append("/".join(rest) or "record")
        self._known(zoho_id)
        if rest == ["scheduledchanges"]:
            if zoho_id not in self.changes:
                raise refused(FailureKind.INVALID, 1038, "There are no scheduled changes.")
            return {"code": 0, "subscription": deepcopy(self.changes[zoho_id])}
        return {"code": 0, "subscription": deepcopy(self.records[zoho_id])}

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        asked = dict(query or {})
        self.lists.append(asked)
        assert (path, key, asked["filter_by"]) == ("/subscriptions", "subscriptions", "SubscriptionStatus.All")
        if self.filters == "refused" and "reference_contains" in asked:
            raise refused(FailureKind.INVALID, 2, "Invalid value passed for reference_contains")
        for each in self.records.values():
            honoured = self.filters != "ignored"
            if honoured and asked.get("reference_contains", "") not in each["reference_id"]:
                continue
            if honoured and asked.get("customer_id") not in (None, each["customer"]["customer_id"]):
                continue
            yield list_row(each)

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        if self.kept_list is None:
            return None
        return [row for row in self.kept_list if set(SUBSCRIPTION.listed_under(row)) & set(keys)]

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        raise AssertionError(f"nothing of a subscription is done once only: {request}")

    async def write(self, request: ApiRequest) -> ApiReply:
        _, _, zoho_id, *rest = request.path.split("/")
        action = "/".join(rest) or request.method
        self.writes.append((request.method, action, dict(request.query or request.body or {})))
        self.repeatable.append(request.may_be_repeated)
        self._known(zoho_id)
        if action in self.refusals:
            raise self.refusals[action]
        kept = self.records[zoho_id]
        match action:
            case "cancel":
                kept["status"] = "non_renewing" if request.query["cancel_at_end"] == "true" else "cancelled"
            case "reactivate":
                kept["status"] = "live"
            case "PUT":
                self._put(zoho_id, dict(request.body or {}))
            case _:
                self._mark(kept, dict(request.body or {}))
        match self.shows:
            case "all":
                return reply({"subscription": deepcopy(kept)})
            case "state":
                return reply({"subscription": {"subscription_id": zoho_id, "status": kept["status"]}})
            case _:
                return reply({})

    def _put(self, zoho_id: str, body: Record) -> None:
        kept = self.records[zoho_id]
        changed = {"plan": {**kept["plan"], **body["plan"]}, "amount": body["plan"]["price"]}
        if body.get("end_of_term") and self.schedules != "at once":
            if self.schedules == "kept":
                self.changes[zoho_id] = deepcopy(kept) | changed
        else:
            kept |= changed
        if body.get("end_of_term") and self.invoice_of_a_change:
            kept["child_invoice_id"] = self.invoice_of_a_change
        self._mark(kept, body)

    def _mark(self, kept: Record, body: Record) -> None:
        kept |= {key: body[key] for key in ("reference_id", "custom_fields", "auto_collect") if key in body}

    def _known(self, zoho_id: str) -> None:
        if zoho_id not in self.records:
            raise refused(FailureKind.NOT_FOUND, 1002, "Subscription ID does not exist.", 404)
