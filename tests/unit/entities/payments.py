"""Payments in the host and in Zoho, for tests of their mapping: rows, records, and a Zoho that answers requests."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from outbox.entities.catalogue import Plan
from outbox.entities.contract import Desired, Terms
from outbox.entities.payment import Payment
from outbox.entities.payment_row import PaymentRow, Service
from outbox.settings import RecurringBilling
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

PAYMENT = Payment()
ID = UUID("00000000-0000-4000-8000-0000000b0001")
ANOTHER_ID = UUID("00000000-0000-4000-8000-0000000b0002")
CUSTOMER = UUID("00000000-0000-4000-8000-0000000c0001")
INVOICE = UUID("00000000-0000-4000-8000-0000000d0001")
SERVICE = UUID("00000000-0000-4000-8000-0000000a0001")

TERMS = Terms(
    "ZAR",
    "External ID",
    "Account Number",
    zone=ZoneInfo("Africa/Johannesburg"),
    today=date(2026, 3, 10),
    plans={"FIBRE-50": Plan("FIBRE-50", 1, "months", active=True), "YEAR": Plan("YEAR", 1, "years", active=True)},
)
HOST_BILLS = replace(TERMS, recurring_billing=RecurringBilling.HOST)

SERVICE_IN_ZOHO = Service(SERVICE, "Fibre 50/50", "active", "FIBRE-50", "s1", "idle")

_COLUMNS: dict[str, Any] = {
    "id": ID,
    "transaction_id": "NC-0001",
    "reference": "INV-2026-00001",
    "provider": "netcash",
    "amount": Decimal("799.00"),
    "currency": "ZAR",
    "status": "completed",
    "payment_method": "eft",
    "metadata_type": None,
    "initiated_at": datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
    "completed_at": datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
    "zoho_payment_id": None,
    "customer_id": CUSTOMER,
    "customer_exists": True,
    "account_number": "CT-2026-00001",
    "account_type": "personal",
    "customer_zoho_id": "c1",
    "customer_phase": "idle",
}

_NO_INVOICE: dict[str, Any] = {
    "invoice_id": None,
    "invoice_customer_id": None,
    "invoice_number": None,
    "invoice_date": None,
    "invoice_total": None,
    "invoice_status": None,
    "invoice_type": None,
    "service_id": None,
    "period_start": None,
    "invoice_zoho_id": None,
    "invoice_phase": None,
}

_INVOICE: dict[str, Any] = {
    "invoice_id": INVOICE,
    "invoice_customer_id": CUSTOMER,
    "invoice_number": "INV-2026-00001",
    "invoice_date": date(2026, 3, 1),
    "invoice_total": Decimal("799.00"),
    "invoice_status": "sent",
    "invoice_type": "installation",
    "service_id": None,
    "period_start": None,
    "invoice_zoho_id": "i1",
    "invoice_phase": "idle",
}


def standalone(**changes: Any) -> PaymentRow:
    """A payment that names no invoice."""
    return PaymentRow(**_COLUMNS | _NO_INVOICE | changes)


def paying(**changes: Any) -> PaymentRow:
    """A payment on an invoice that is in Zoho as i1."""
    return PaymentRow(**_COLUMNS | _INVOICE | changes)


def paying_recurring(**changes: Any) -> PaymentRow:
    """A payment on a recurring invoice, which is not sent while Zoho bills; its service's subscription is s1."""
    recurring: dict[str, Any] = {
        "invoice_type": "recurring",
        "service_id": SERVICE,
        "period_start": date(2026, 3, 1),
        "invoice_zoho_id": None,
        "service": SERVICE_IN_ZOHO,
    }
    return paying(**recurring | changes)


def desired(row: PaymentRow, terms: Terms = TERMS) -> Desired:
    return PAYMENT.desired(row, terms)


def body(row: PaymentRow, terms: Terms = TERMS) -> dict[str, Any]:
    """What a create sends."""
    return dict(PAYMENT.create(desired(row, terms)).body or {})


Record = dict[str, Any]


def record(payment_id: str = "p1", **fields: Any) -> Record:
    """The payment of :func:`standalone` in Zoho."""
    return {
        "payment_id": payment_id,
        "customer_id": "c1",
        "payment_mode": "banktransfer",
        "amount": Decimal("799.00"),
        "amount_refunded": 0,
        "date": "2026-03-02",
        "status": "success",
        "reference_number": str(ID),
        "description": "Transaction NC-0001, reference INV-2026-00001",
        "custom_fields": [{"label": "External ID", "value": str(ID)}],
        "invoices": [],
    } | fields


def applied(**amounts: str) -> list[Record]:
    """``invoices[]`` of a payment."""
    return [{"invoice_id": invoice, "amount_applied": Decimal(paid)} for invoice, paid in amounts.items()]


def invoice(invoice_id: str = "i1", **fields: Any) -> Record:
    """An invoice of c1 in Zoho, as detail and list row."""
    return {
        "invoice_id": invoice_id,
        "invoice_number": f"INV-{invoice_id}",
        "customer_id": "c1",
        "status": "sent",
        "invoice_date": "2026-03-01",
        "total": Decimal("799.00"),
        "balance": Decimal("799.00"),
        "payments": [],
    } | fields


def refusal(kind: FailureKind, message: str = "no") -> Failure:
    return Failure(FailureClass.PERMANENT, kind, message, "", http_status=400, code=1002)


class FakeZoho:
    """Zoho as far as payments ask it; ``asked`` holds every request as text."""

    def __init__(self, *payments: Record, invoices: Sequence[Record] = (), listed: Sequence[Record] | None = None):
        self.payments = {each["payment_id"]: each for each in payments}
        self.invoices = {each["invoice_id"]: each for each in invoices}
        self.by_subscription: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.bodies: list[Record] = []
        self.act_keys: list[str] = []
        self.made: bool | None = None
        self.shows_refunds = True
        self._listed = listed

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        self.asked.append(f"GET {path}")
        _, kind, record_id = path.split("/")
        held = {"payments": self.payments, "invoices": self.invoices}[kind].get(record_id)
        if held is None:
            raise CallFailed(refusal(FailureKind.NOT_FOUND))
        return {kind.removesuffix("s"): held}

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        wanted = dict(query or {})
        filters = [value for name, value in wanted.items() if name != "filter_by"]
        self.asked.append(" ".join(["GET", path, *filters]))
        match path, key, wanted.get("filter_by"):
            case "/transactions", "transactions", "TransactionType.PAYMENT":
                for each in self.payments.values():
                    if each["customer_id"] == wanted["customer_id"]:
                        yield transaction(each)
            case "/invoices", "invoices", "Status.All":
                for invoice_id in self.by_subscription[wanted["subscription_id"]]:
                    yield {name: value for name, value in self.invoices[invoice_id].items() if name != "payments"}
            case "/payments", "payments", None:
                for each in self.payments.values():
                    if all(each[name] == value for name, value in wanted.items()):
                        yield each
            case unexpected:
                raise AssertionError(unexpected)

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        self.made = make
        if self._listed is None:
            return None
        return [row for row in self._listed if set(PAYMENT.listed_under(row)) & set(keys)]

    async def write(self, request: ApiRequest) -> ApiReply:
        self.asked.append(f"{request.method} {request.path}")
        assert request.body is not None
        self.bodies.append(dict(request.body))
        payment_id = request.path.removeprefix("/payments/")
        self.payments[payment_id] = {**self.payments[payment_id], **request.body}
        return reply({"payment": self.payments[payment_id]})

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        self.asked.append(f"{request.method} {request.path}")
        self.act_keys.append(look_key)
        assert request.body is not None
        self.bodies.append(dict(request.body))
        paid = self.payments[request.path.split("/")[2]]
        if self.shows_refunds:
            paid["amount_refunded"] += request.body["amount"]
        return reply({"refund": {"refund_id": "r1", "amount": request.body["amount"], "status": "success"}})


def transaction(payment: Record) -> Record:
    """A payment as the list of transactions shows it: amounts are text, and no reference number."""
    return {
        "transaction_id": payment["payment_id"],
        "reference_id": "",
        "date": payment["date"],
        "type": "payment",
        "status": "success",
        "amount": f"{payment['amount']:.2f}",
    }


def reply(content: Mapping[str, JsonValue]) -> ApiReply:
    return ApiReply(200, 0, "", content, 0.1)
