"""The rows of the host's tables, as the sample writes them. Fields are named as columns where they are one.

Every row has an id of its own from its table and its key, so that rows can name each other before they are there: a
payment its invoice, Zoho's old subscription its service.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeAlias
from uuid import UUID, uuid5

from outbox.demo.sample.ends import CustomerInZoho, InvoiceInZoho, Kept, PaymentInZoho, SubscriptionInZoho
from outbox.vocabulary import EntityType

_NAMESPACE = UUID("6f0cf3a2-0d8e-4b86-9c1b-2f3f6f1c7c55")

Inserts: TypeAlias = list[tuple[str, dict[str, Any]]]
"""Table and values by column, in an order in which they can be inserted."""


def row_id(table: str, key: str) -> UUID:
    """The id of the row that people call ``key``."""
    return uuid5(_NAMESPACE, f"{table} {key}")


@dataclass(frozen=True)
class Package:
    """A row of ``service_packages``, and whether it is published to Zoho."""

    sku: str
    """Zoho's plan_code."""
    name: str
    price: Decimal
    speed_down: int
    speed_up: int
    service_type: str = "fibre"
    customer_type: str = "consumer"
    publishing: Literal["ok", "pending", "failed"] = "ok"
    publishing_error: str | None = None
    in_zoho: bool = True
    """The plan is there by the time it is published."""

    @property
    def id(self) -> UUID:
        """Of the package."""
        return row_id("service_packages", self.sku)

    def inserts(self) -> Inserts:
        """Both rows."""
        package = {
            "id": self.id,
            "sku": self.sku,
            "name": self.name,
            "price": self.price,
            "speed_down": self.speed_down,
            "speed_up": self.speed_up,
            "service_type": self.service_type,
            "customer_type": self.customer_type,
            "slug": self.sku.lower(),
        }
        integration = {
            "service_package_id": self.id,
            "sync_status": self.publishing,
            "last_sync_error": self.publishing_error,
        }
        return [("service_packages", package), ("product_integrations", integration)]


@dataclass(frozen=True)
class Customer:
    """A row of ``customers``."""

    entity_type: ClassVar[EntityType] = EntityType.CUSTOMER
    table: ClassVar[str] = "customers"

    account_number: str
    first_name: str
    last_name: str
    email: str
    phone: str
    account_type: Literal["personal", "business", "internal_test"] = "personal"
    business_name: str | None = None
    account_status: Literal["active", "suspended", "cancelled", "pending"] = "active"
    zoho_id: str | None = None
    """Written by an earlier integration."""
    end: CustomerInZoho | Kept = field(default=CustomerInZoho())

    @property
    def id(self) -> UUID:
        """Of the row."""
        return row_id(self.table, self.account_number)

    @property
    def key(self) -> str:
        """As people call it."""
        return self.account_number

    @property
    def account(self) -> str:
        """Whose it is."""
        return self.account_number

    @property
    def name(self) -> str:
        """As people know the customer."""
        return self.business_name or f"{self.first_name} {self.last_name}"

    def inserts(self) -> Inserts:
        """The row."""
        columns = {
            "id": self.id,
            "account_number": self.account_number,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "phone": self.phone,
            "account_type": self.account_type,
            "business_name": self.business_name,
            "account_status": self.account_status,
        }
        return [(self.table, columns | _known("zoho_billing_customer_id", self.zoho_id))]


@dataclass(frozen=True)
class Service:
    """A row of ``customer_services``."""

    entity_type: ClassVar[EntityType] = EntityType.SUBSCRIPTION
    table: ClassVar[str] = "customer_services"

    account: str
    package: Package | None
    monthly_price: Decimal
    """ZAR a month, VAT included."""
    end: SubscriptionInZoho | Kept
    installation_address: str | None = None
    status: Literal["pending", "active", "suspended", "cancelled"] = "active"
    activation_date: date | None = None
    billing_day: int = 1
    last_invoice_date: date | None = None
    zoho_id: str | None = None
    """Written by an earlier integration."""
    sold_as: str = ""
    """Where there is no package."""

    @property
    def id(self) -> UUID:
        """Of the row."""
        return row_id(self.table, f"{self.account} {self.name}")

    @property
    def key(self) -> str:
        """Services have no number: whose it is."""
        return self.account

    @property
    def name(self) -> str:
        """What was sold."""
        return self.sold_as if self.package is None else self.package.name

    def inserts(self) -> Inserts:
        """The row."""
        columns = {
            "id": self.id,
            "customer_id": row_id(Customer.table, self.account),
            "package_id": None if self.package is None else self.package.id,
            "package_name": self.name,
            "service_type": "fibre" if self.package is None else self.package.service_type,
            "monthly_price": self.monthly_price,
            "status": self.status,
            "installation_address": self.installation_address,
            "installation_date": self.activation_date,
            "activation_date": self.activation_date,
            "billing_day": self.billing_day,
            "last_invoice_date": self.last_invoice_date,
        }
        return [(self.table, columns | _known("zoho_subscription_id", self.zoho_id))]


@dataclass(frozen=True)
class Invoice:
    """A row of ``customer_invoices``. Amounts in ZAR."""

    entity_type: ClassVar[EntityType] = EntityType.INVOICE
    table: ClassVar[str] = "customer_invoices"

    invoice_number: str
    account: str
    invoice_type: str | None
    status: Literal["draft", "sent", "paid", "partial", "overdue", "cancelled", "voided"]
    invoice_date: date
    due_date: date
    subtotal: Decimal
    tax_amount: Decimal
    line_items: str | None
    """JSON, to the letter as the host stored it."""
    end: InvoiceInZoho | Kept
    amount_paid: Decimal = Decimal(0)
    service: Service | None = None
    vat_rate: Decimal = Decimal("15.00")
    is_locked: bool = False
    notes: str | None = None

    @property
    def id(self) -> UUID:
        """Of the row."""
        return row_id(self.table, self.invoice_number)

    @property
    def key(self) -> str:
        """Its number."""
        return self.invoice_number

    @property
    def name(self) -> str:
        """What it is for."""
        return self.invoice_type or "(no type)"

    @property
    def total_amount(self) -> Decimal:
        """With tax."""
        return self.subtotal + self.tax_amount

    def inserts(self) -> Inserts:
        """The row."""
        columns = {
            "id": self.id,
            "customer_id": row_id(Customer.table, self.account),
            "invoice_number": self.invoice_number,
            "invoice_type": self.invoice_type,
            "status": self.status,
            "invoice_date": self.invoice_date,
            "due_date": self.due_date,
            "subtotal": self.subtotal,
            "tax_amount": self.tax_amount,
            "total_amount": self.total_amount,
            "amount_paid": self.amount_paid,
            "amount_due": self.total_amount - self.amount_paid,
            "line_items": self.line_items,
            "service_id": None if self.service is None else self.service.id,
            "vat_rate": self.vat_rate,
            "period_start": None if self.service is None else self.invoice_date,
            "is_locked": self.is_locked,
            "notes": self.notes,
        }
        return [(self.table, columns)]


@dataclass(frozen=True)
class Payment:
    """A row of ``payment_transactions``."""

    entity_type: ClassVar[EntityType] = EntityType.PAYMENT
    table: ClassVar[str] = "payment_transactions"

    transaction_id: str
    account: str
    amount: Decimal
    payment_method: str
    initiated_at: datetime
    end: PaymentInZoho | Kept
    completed_at: datetime | None = None
    status: Literal["pending", "processing", "completed", "failed", "refunded", "cancelled", "expired"] = "completed"
    provider: Literal["netcash", "zoho_billing", "payfast", "paygate"] = "netcash"
    invoice_number: str | None = None
    is_older: bool = False
    """It names its invoice in the older column, and its customer not at all."""
    currency: str = "ZAR"
    metadata: str | None = None
    """JSON."""

    @property
    def id(self) -> UUID:
        """Of the row."""
        return row_id(self.table, self.transaction_id)

    @property
    def key(self) -> str:
        """Its transaction id."""
        return self.transaction_id

    @property
    def name(self) -> str:
        """How much, and how."""
        return f"{self.amount} {self.payment_method}"

    @property
    def reference(self) -> str:
        """What the customer sees."""
        return f"REF-{self.transaction_id}"

    def inserts(self) -> Inserts:
        """The row."""
        invoice_id = None if self.invoice_number is None else row_id(Invoice.table, self.invoice_number)
        columns = {
            "id": self.id,
            "transaction_id": self.transaction_id,
            "reference": self.reference,
            "provider": self.provider,
            "amount": self.amount,
            "currency": self.currency,
            "status": self.status,
            "payment_method": self.payment_method,
            "customer_id": None if self.is_older else row_id(Customer.table, self.account),
            "invoice_id": invoice_id if self.is_older else None,
            "customer_invoice_id": None if self.is_older else invoice_id,
            "metadata": self.metadata,
            "initiated_at": self.initiated_at,
            "completed_at": self.completed_at,
        }
        return [(self.table, columns)]


SentRow: TypeAlias = Customer | Service | Invoice | Payment
"""A row that has a place in Zoho, or a reason why not."""


def _known(column: str, zoho_id: str | None) -> dict[str, Any]:
    return {} if zoho_id is None else {column: zoho_id}
