"""What the bookkeeper writes down: what Zoho's books must hold, in her own words."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from tests.month.calendar_days import billing_day_after
from tests.store.host import Row

NOTHING = Decimal("0.00")


@dataclass(kw_only=True)
class Debt:
    """An invoice in Zoho, whoever raised it."""

    customer: UUID
    day: date
    due: date
    total: Decimal
    tax: Decimal
    applied: dict[UUID, Decimal] = field(default_factory=dict)
    """By payment."""
    void: bool = False

    @property
    def balance(self) -> Decimal:
        return NOTHING if self.void else self.total - sum(self.applied.values(), NOTHING)

    def status(self, today: date) -> str:
        """In Zoho's words (sheet 2.4)."""
        if self.void:
            return "void"
        if self.balance <= 0:
            return "paid"
        if self.due < today:
            return "overdue"
        return "partially_paid" if self.applied else "sent"


@dataclass(kw_only=True)
class Issued(Debt):
    """One of the host's invoices."""

    number: str
    money: tuple[object, ...]
    """What of the row is financial."""
    lines: int


@dataclass(kw_only=True)
class Raised(Debt):
    """One that a subscription raised; ``day`` is the first of the month that it is for."""


class State(StrEnum):
    """Of a subscription, in Zoho's words."""

    FUTURE = "future"
    LIVE = "live"
    ENDING = "non_renewing"
    CANCELLED = "cancelled"


@dataclass
class Contract:
    """One subscription: a service's first, or the one that follows an ended one."""

    service: UUID
    number: int
    customer: UUID
    plan: str
    price: Decimal
    begins: date
    made_on: date
    state: State = State.FUTURE
    scheduled: tuple[str, Decimal] | None = None
    """Plan and price from the next month on."""
    bills_next: date = date.max
    raised: list[Raised] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bills_next = self.begins

    @property
    def reference(self) -> str:
        return str(self.service) if self.number == 1 else f"{self.service}#{self.number}"

    def pass_time(self, today: date) -> None:
        """Every month that has begun by ``today`` is billed on its first day; one that ends is not."""
        while self.state is not State.CANCELLED and self.bills_next <= today:
            if self.state is State.ENDING:
                self.state = State.CANCELLED
                self.scheduled = None
                return
            if self.state is State.LIVE and self.scheduled is not None:
                self.plan, self.price = self.scheduled
                self.scheduled = None
            self.state = State.LIVE
            day = self.bills_next
            self.raised.append(
                Raised(customer=self.customer, day=day, due=day, total=self.price, tax=tax_in(self.price))
            )
            self.bills_next = billing_day_after(day, day.day)

    def cancel(self) -> None:
        """With the month that runs; at once where none does (decisions.md, Subscriptions)."""
        if self.state is State.FUTURE:
            self.state = State.CANCELLED
        elif self.state is State.LIVE:
            self.state = State.ENDING

    def wish(self, plan: str, price: Decimal) -> None:
        """It is to cost that: from the next month on, or at once where nothing was billed yet."""
        if self.state is State.ENDING:
            self.state = State.LIVE
        if self.state is State.FUTURE:
            self.plan, self.price = plan, price
        else:
            self.scheduled = None if (plan, price) == (self.plan, self.price) else (plan, price)


@dataclass
class Receipt:
    """A payment in Zoho."""

    customer: UUID
    day: date
    amount: Decimal
    mode: str
    link: tuple[Decimal, UUID | None]
    """What its allocation was made from: amount and invoice."""
    refunded: bool = False


@dataclass
class Account:
    """A customer in Zoho."""

    row: Row
    address: str


def tax_in(total: Decimal) -> Decimal:
    """15 % that is in a price, in cents."""
    return (total * 15 / 115).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
