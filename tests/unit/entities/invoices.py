"""Invoice rows, Zoho's invoices, and a Zoho that holds them, for tests of the mapping."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from outbox.entities.catalogue import Tax
from outbox.entities.contract import Desired, Terms
from outbox.entities.invoice import Invoice
from outbox.entities.invoice_row import InvoiceRow
from outbox.settings import RecurringBilling
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue, encode_body
from tests.terms import TERMS as DEFAULTS

OURS = UUID("00000000-0000-4000-8000-0000000d0001")
ANOTHERS = "00000000-0000-4000-8000-0000000d0002"
CUSTOMER_ID = UUID("00000000-0000-4000-8000-0000000c0001")
INVOICE = Invoice()
TERMS = replace(DEFAULTS, taxes=(Tax("t15", "Standard Rate", Decimal(15)), Tax("t0", "Zero Rate", Decimal(0))))
BY_HOST = replace(TERMS, recurring_billing=RecurringBilling.HOST)

Record = dict[str, Any]


def row(**changes: Any) -> InvoiceRow:
    """An installation that was invoiced, in consumers' prices."""
    columns: dict[str, Any] = {
        "id": OURS,
        "customer_id": CUSTOMER_ID,
        "invoice_number": "INV-2025-00002",
        "invoice_date": date(2025, 11, 4),
        "due_date": date(2025, 11, 11),
        "subtotal": Decimal("1500.00"),
        "tax_amount": Decimal("225.00"),
        "total_amount": Decimal("1725.00"),
        "status": "sent",
        "line_items": '[{"description": "Installation", "quantity": 1, "unit_price": 1725.00, "amount": 1725.00}]',
        "invoice_type": "installation",
        "vat_rate": Decimal("15.00"),
        "notes": None,
        "zoho_billing_invoice_id": None,
        "account_number": "CT-2025-00101",
        "account_type": "personal",
        "customer_zoho_id": "46",
        "customer_phase": "idle",
    }
    return InvoiceRow(**columns | changes)


def desired(terms: Terms = TERMS, **changes: Any) -> Desired:
    return INVOICE.desired(row(**changes), terms)


def record(zoho_id: str = "7", terms: Terms = TERMS, *, holder: str | None = None, **fields: Any) -> Record:
    """Zoho's invoice as it stands after ``row()`` was created and opened; ``fields`` say otherwise."""
    own = [] if holder is None else [{"label": "External ID", "value": holder}]
    content = {**desired(terms).content, "custom_fields": own}
    return {
        "invoice_id": zoho_id,
        "status": "sent",
        "total": Decimal("1725.00"),
        "balance": Decimal("1725.00"),
        "payments": [],
        "credits": [],
        "payment_made": 0,
        "credits_applied": 0,
        **content,
    } | fields


def refused(kind: FailureKind = FailureKind.INVALID, code: int = 4, message: str = "no") -> CallFailed:
    return CallFailed(Failure(FailureClass.PERMANENT, kind, message, "", http_status=400, code=code))


class Zoho:
    """Zoho's invoices. What an undocumented filter does is ``number_filter``; repeated actions are refused.

    ``asked``: every request, as 'GET /invoices invoice_number=…'. ``written``: bodies of PUTs.
    """

    def __init__(
        self,
        *records: Record,
        number_filter: str = "honoured",
        subscriptions: Mapping[str, Sequence[str]] | None = None,
        listing: Sequence[Record] | None = None,
    ) -> None:
        self.records = {each["invoice_id"]: each for each in records}
        self.subscriptions = subscriptions or {}
        self.listing = listing
        self.made: list[bool] = []
        self.asked: list[str] = []
        self.written: list[Mapping[str, JsonValue]] = []
        self.refusals: dict[str, CallFailed] = {}
        """By request: what is answered before anything is done."""
        self._filter = number_filter

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        self._note(f"GET {path}")
        return {"invoice": self._of(path.removeprefix("/invoices/"))}

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        wanted = dict(query or {})
        if path == "/subscriptions":
            assert (key, wanted.pop("filter_by")) == ("subscriptions", "SubscriptionStatus.All")
            self._note(f"GET /subscriptions customer_id={wanted['customer_id']}")
            for subscription_id in self.subscriptions:
                yield {"subscription_id": subscription_id, "customer_id": "46"}
            return
        assert (path, key, wanted.pop("filter_by")) == ("/invoices", "invoices", "Status.All")
        self._note(" ".join(["GET /invoices", *(f"{name}={value}" for name, value in wanted.items())]))
        number = wanted.pop("invoice_number", None)
        if number is not None and self._filter in ("400", "404"):
            raise refused(FailureKind.INVALID if self._filter == "400" else FailureKind.UNKNOWN_URL)
        subscription = wanted.pop("subscription_id", None)
        if subscription == "unknown":
            raise refused(FailureKind.NOT_FOUND, 1002)
        for each in list(self.records.values()):
            if number is not None and self._filter == "honoured" and each["invoice_number"].strip() != number:
                continue
            if subscription is not None and each["invoice_id"] not in self.subscriptions.get(subscription, ()):
                continue
            if all(each.get(name) == value for name, value in wanted.items()):
                yield list_row(each)

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        self.made.append(make)
        if self.listing is None:
            return None
        return [list_row(each) for each in self.listing if set(INVOICE.listed_under(list_row(each))) & set(keys)]

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        raise AssertionError(f"nothing of an invoice is done once only: {request}")

    async def write(self, request: ApiRequest) -> ApiReply:
        assert request.may_be_repeated
        self._note(f"{request.method} {request.path}")
        zoho_id, _, action = request.path.removeprefix("/invoices/").partition("/")
        found = self._of(zoho_id)
        match action:
            case "converttoopen":
                if found["status"] not in ("draft", "void"):
                    raise refused(message="The invoice is open already.")
                found["status"] = "sent"
            case "void":
                if found["status"] in ("draft", "void"):
                    raise refused(message="Only invoices that are open can be marked as void.")
                found["status"] = "void"
            case "":
                assert request.method == "PUT"
                assert request.query == {"ignore_auto_number_generation": "true"}
                if found["status"] == "void":
                    raise refused(message="Void invoices cannot be edited.")
                assert request.body is not None
                encode_body(request.body)
                self.written.append(request.body)
                found |= request.body
                found["total"] = _total(request.body)
                return ApiReply(200, 0, "", {"invoice": dict(found)}, 0.0)
            case _:
                raise AssertionError(action)
        return ApiReply(200, 0, "", {}, 0.0)

    def _note(self, request: str) -> None:
        self.asked.append(request)
        if request in self.refusals:
            raise self.refusals.pop(request)

    def _of(self, zoho_id: str) -> Record:
        found = self.records.get(zoho_id)
        if found is None:
            raise refused(FailureKind.NOT_FOUND, 1002, "Invoice does not exist.")
        return found


def list_row(of: Record) -> Record:
    """A list row: no lines, no payments, no custom fields."""
    names = ("invoice_id", "invoice_number", "status", "customer_id", "total", "balance")
    return {name: of[name] for name in names if name in of}


def _total(body: Mapping[str, Any]) -> Decimal:
    amounts = sum((item["price"] * item["quantity"] for item in body["invoice_items"]), Decimal(0))
    tax = Decimal(1) if body["is_inclusive_tax"] else Decimal("1.15")
    return amounts * tax + Decimal(body["adjustment"])
