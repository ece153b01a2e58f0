"""What stands in Zoho before the demo begins: the plans, and what an earlier integration made there.

That integration told Zoho neither our ids nor our account numbers; the host's rows hold the Zoho ids of what it made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outbox.demo.sample.customers import PIETER, THANDEKA
from outbox.demo.sample.days import Days
from outbox.demo.sample.packages import PACKAGES
from outbox.demo.sample.payments import RAISED_BY_ZOHO
from outbox.demo.sample.rows import Customer, Package, Service
from outbox.demo.sample.services import Services

INVOICE_ID = "4600000000000302"


@dataclass(frozen=True)
class Planted:
    """A record, with fields as Zoho shows them, in the collection of that name."""

    collection: str
    fields: Mapping[str, Any]


def in_zoho_before(days: Days, services: Services) -> tuple[Planted, ...]:
    """In an order in which they can be made."""
    return (
        *(_plan(package) for package in PACKAGES if package.in_zoho),
        _customer(THANDEKA),
        _customer(PIETER),
        _subscription(services.thandeka, THANDEKA, days),
        _subscription(services.pieter, PIETER, days),
        Planted(
            "invoices",
            {
                "invoice_id": INVOICE_ID,
                "invoice_number": RAISED_BY_ZOHO,
                "subscription_id": services.thandeka.zoho_id,
                "customer_id": THANDEKA.zoho_id,
                "date": days.last(1).isoformat(),
                "due_date": days.last(1).isoformat(),
                "is_inclusive_tax": True,
                "invoice_items": [
                    {"name": services.thandeka.name, "price": services.thandeka.monthly_price, "quantity": 1}
                ],
            },
        ),
    )


def _plan(package: Package) -> Planted:
    return Planted(
        "plans",
        {"plan_code": package.sku, "name": package.name, "recurring_price": package.price, "setup_fee": 1999},
    )


def _customer(customer: Customer) -> Planted:
    return Planted(
        "customers",
        {
            "customer_id": customer.zoho_id,
            "display_name": customer.name,
            "first_name": customer.first_name,
            "last_name": customer.last_name,
            "email": customer.email,
        },
    )


def _subscription(service: Service, customer: Customer, days: Days) -> Planted:
    code = "" if service.package is None else service.package.sku
    return Planted(
        "subscriptions",
        {
            "subscription_id": service.zoho_id,
            "reference_id": str(service.id),
            "customer_id": customer.zoho_id,
            "status": "live",
            "plan_code": code,
            "plan_name": service.name,
            "plan": {"plan_code": code, "name": service.name, "price": service.monthly_price, "quantity": 1},
            "amount": service.monthly_price,
            "activated_at": days.last(1).isoformat(),
            "current_term_starts_at": days.last(1).isoformat(),
            "current_term_ends_at": days.next(1).isoformat(),
            "next_billing_at": days.next(1).isoformat(),
        },
    )
