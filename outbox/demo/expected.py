"""What Zoho should hold for a row of the sample, worked out anew from the sample and the decisions.

Not by the code that sends: a comparison that shared its mapping would share its mistakes. Values are text, amounts
have two places; :func:`shown` gives a record of Zoho's the same form.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, assert_never
from uuid import UUID

from outbox.demo.sample.ends import CustomerInZoho, InvoiceInZoho, PaymentInZoho, SubscriptionInZoho
from outbox.demo.sample.rows import Customer, Invoice, Payment, SentRow, Service, row_id
from outbox.vocabulary import EntityType

Record = Mapping[str, Any]

EXTERNAL_ID, ACCOUNT_NUMBER = "External ID", "Account Number"

COLLECTIONS: Mapping[EntityType, tuple[str, str]] = {
    EntityType.CUSTOMER: ("customers", "customer_id"),
    EntityType.SUBSCRIPTION: ("subscriptions", "subscription_id"),
    EntityType.INVOICE: ("invoices", "invoice_id"),
    EntityType.PAYMENT: ("payments", "payment_id"),
}
"""Where Zoho keeps them, and under which id."""


def money(amount: Any) -> str:
    """``1234.50``."""
    return f"{Decimal(amount):.2f}"


class Expectations:
    """Of a whole sample: rows name each other."""

    def __init__(self, rows: Iterable[SentRow], zoho_ids: Mapping[UUID, str | None]) -> None:
        """``zoho_ids``: what the host's rows hold, by their id."""
        self._rows = list(rows)
        self._zoho_ids = zoho_ids

    def of(self, row: SentRow) -> dict[str, str]:
        """The fields by the names that :func:`shown` gives them. For a row that is to be in Zoho."""
        fields = {EXTERNAL_ID: str(row.id)}
        match row:
            case Customer(end=CustomerInZoho() as end):
                return fields | self._customer(row, end)
            case Service(end=SubscriptionInZoho() as end):
                return fields | self._subscription(row, end)
            case Invoice(end=InvoiceInZoho() as end):
                return fields | self._invoice(row, end)
            case Payment(end=PaymentInZoho() as end):
                return fields | self._payment(row, end)
            case _:
                raise ValueError(f"{row.key} is not to be in Zoho")

    def applied_to(self, number: str) -> Decimal:
        """What the sample's payments leave on the invoice that Zoho knows by ``number``."""
        ends = [row.end for row in self._rows if isinstance(row, Payment)]
        paid = [end.applied.get(number, Decimal(0)) for end in ends if isinstance(end, PaymentInZoho)]
        return sum(paid, Decimal(0))

    def _customer(self, customer: Customer, end: CustomerInZoho) -> dict[str, str]:
        address = self._address(customer)
        return {
            "display_name": f"{customer.name} [{customer.account_number}]",
            "company_name": customer.business_name or "",
            "first_name": customer.first_name,
            "last_name": customer.last_name,
            "email": customer.email,
            "phone": customer.phone,
            "currency_code": "ZAR",
            "billing_address.street": address,
            "billing_address.country": "South Africa" if address else "",
            ACCOUNT_NUMBER: customer.account_number,
            "status": "active" if end.active else "inactive",
        }

    def _address(self, customer: Customer) -> str:
        """Where the service that was activated last is installed."""
        activated = [
            (row.activation_date, row.installation_address)
            for row in self._rows
            if isinstance(row, Service) and row.account == customer.account_number
            if row.activation_date is not None and row.installation_address
        ]
        return max(activated, default=(date.min, ""))[1]

    def _subscription(self, service: Service, end: SubscriptionInZoho) -> dict[str, str]:
        price = service.monthly_price if end.costs_until_then is None else end.costs_until_then
        return {
            "reference_id": str(service.id),
            "customer_id": self._customer_id(service.account),
            "plan_code": "" if service.package is None else service.package.sku,
            "price": money(price),
            "amount": money(price),
            "amount of the next term": money(service.monthly_price),
            "setup_fee": money(0),
            "status": end.status,
            "next_billing_at": "" if end.bills_next is None else end.bills_next.isoformat(),
            "auto_collect": "False",
        }

    def _invoice(self, invoice: Invoice, end: InvoiceInZoho) -> dict[str, str]:
        balance = Decimal(0) if end.status == "void" else invoice.total_amount - self.applied_to(invoice.key)
        return {
            "invoice_number": invoice.invoice_number,
            "customer_id": self._customer_id(invoice.account),
            "date": invoice.invoice_date.isoformat(),
            "due_date": invoice.due_date.isoformat(),
            "total": money(invoice.total_amount),
            "balance": money(balance),
            "status": end.status,
            "notes": invoice.notes or "",
            "is_emailed": "False",
        }

    def _payment(self, payment: Payment, end: PaymentInZoho) -> dict[str, str]:
        return {
            "reference_number": str(payment.id),
            "customer_id": self._customer_id(payment.account),
            "amount": money(payment.amount),
            "amount_refunded": money(payment.amount if end.refunded else 0),
            "date": end.dated.isoformat(),
            "payment_mode": end.mode,
            "description": f"Transaction {payment.transaction_id}, reference {payment.reference}",
            "applied": _applied(end.applied.items()),
        }

    def _customer_id(self, account: str) -> str:
        return self._zoho_ids.get(row_id(Customer.table, account)) or ""


def shown(entity_type: EntityType, record: Record, scheduled: Record | None = None) -> dict[str, str]:
    """The same fields of a record in Zoho's books; ``scheduled`` is what a subscription is to be from its next term."""
    custom = {field["label"]: str(field["value"]) for field in record["custom_fields"]}
    fields = {EXTERNAL_ID: custom.get(EXTERNAL_ID, "")}
    match entity_type:
        case EntityType.CUSTOMER:
            return {
                **fields,
                **_plain(record, "display_name", "company_name", "first_name", "last_name", "email", "phone"),
                **_plain(record, "currency_code", "status"),
                "billing_address.street": record["billing_address"]["street"],
                "billing_address.country": record["billing_address"]["country"],
                ACCOUNT_NUMBER: custom.get(ACCOUNT_NUMBER, ""),
            }
        case EntityType.SUBSCRIPTION:
            return {
                **fields,
                **_plain(record, "reference_id", "customer_id", "plan_code", "status", "next_billing_at"),
                **_plain(record, "auto_collect"),
                "price": money(record["plan"]["price"]),
                "amount": money(record["amount"]),
                "amount of the next term": money((scheduled or record)["amount"]),
                "setup_fee": money(record["plan"].get("setup_fee", 0)),
            }
        case EntityType.INVOICE:
            return {
                **fields,
                **_plain(record, "invoice_number", "customer_id", "date", "due_date", "status", "notes", "is_emailed"),
                **_amounts(record, "total", "balance"),
            }
        case EntityType.PAYMENT:
            return {
                **fields,
                **_plain(record, "reference_number", "customer_id", "date", "payment_mode", "description"),
                **_amounts(record, "amount", "amount_refunded"),
                "applied": _applied((row["invoice_number"], row["amount_applied"]) for row in record["invoices"]),
            }
        case _:
            assert_never(entity_type)


def _plain(record: Record, *names: str) -> dict[str, str]:
    return {name: str(record.get(name, "")) for name in names}


def _amounts(record: Record, *names: str) -> dict[str, str]:
    return {name: money(record[name]) for name in names}


def _applied(applied: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(sorted(f"{money(amount)} on {number}" for number, amount in applied))
