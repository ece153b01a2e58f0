"""Where a row must stand at the end, as the sample declares it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True)
class CustomerInZoho:
    """Every field as the host has it."""

    active: bool = True
    created: int = 1
    """How often Zoho was made to create it: 0 where it was there before."""


@dataclass(frozen=True)
class SubscriptionInZoho:
    """Plan, price and customer as the host has them."""

    status: Literal["future", "live", "non_renewing", "cancelled"] = "future"
    bills_next: date | None = None
    """The day of Zoho's next invoice; None: there is none."""
    costs_until_then: Decimal | None = None
    """Where it differs from the host's price, which is scheduled for the next term."""
    created: int = 1


@dataclass(frozen=True)
class InvoiceInZoho:
    """Number, customer, dates and total as the host has them, to the cent; the balance follows from the payments."""

    status: Literal["sent", "overdue", "partially_paid", "paid", "void"]
    created: int = 1


@dataclass(frozen=True)
class PaymentInZoho:
    """Amount and customer as the host has them."""

    dated: date
    """The day in Johannesburg."""
    mode: Literal["cash", "creditcard", "banktransfer", "bankremittance", "others"]
    applied: Mapping[str, Decimal] = field(default_factory=dict)
    """By Zoho's invoice number; the rest is the customer's credit."""
    refunded: bool = False
    created: int = 1


@dataclass(frozen=True)
class Skipped:
    """Not for Zoho; ``because`` stands in the reason."""

    because: str


@dataclass(frozen=True)
class Waiting:
    """For something that is not in Zoho; ``because`` stands in the reason."""

    because: str


@dataclass(frozen=True)
class Dead:
    """A person must correct the row; ``because`` stands in the reason."""

    because: str


Kept = Skipped | Waiting | Dead
"""Not in Zoho, and rightly so."""
