"""Customers with a service, a paid invoice and an open one; and what somebody did to them, here or in Zoho, past us."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from outbox.simulator import RunningSimulator
from outbox.simulator.books import Record
from tests.sending.billing import PLAN, Billing
from tests.store.host import Host

TOTAL = "1150.00"
OTHER_TOTAL = "230.00"


@dataclass(frozen=True)
class Family:
    """Rows that hang together, and how they are called."""

    customer: UUID
    service: UUID
    paid: UUID
    """An invoice with its payment."""
    payment: UUID
    unpaid: UUID

    @property
    def rows(self) -> set[UUID]:
        """All of them."""
        return {self.customer, self.service, self.paid, self.payment, self.unpaid}


@dataclass
class Town:
    """Both sides, and hands that change one without the other knowing."""

    host: Host
    billing: Billing
    zoho: RunningSimulator
    package: UUID
    number: int = 0

    def family(self) -> Family:
        """A new one. Sent by whoever turns."""
        self.number += 1
        customer = self.host.add_customer(self.number)
        service = self.billing.service(customer, self.package)
        paid = self.billing.invoice(customer, TOTAL, status="paid", amount_due=Decimal(0), amount_paid=Decimal(TOTAL))
        payment = self.billing.payment(customer, paid, TOTAL)
        unpaid = self.billing.invoice(customer, OTHER_TOTAL, invoice_date=date(2026, 4, 2), due_date=date(2026, 4, 9))
        return Family(customer, service, paid, payment, unpaid)

    def zoho_id(self, row: UUID) -> str:
        """The record of a row."""
        found: str = self.host.state(row)["zoho_id"]
        return found

    def edit(self, books: str, row: UUID, **fields: Any) -> None:
        """What a person does in Zoho's pages."""
        assert self.zoho.simulator.edit(books, self.zoho_id(row), fields)

    def record(self, books: str, row: UUID) -> Record:
        """The record as Zoho has it."""
        found = self.zoho.simulator.books.collections[books].get(self.zoho_id(row))
        assert found is not None
        return found

    def remove(self, books: str, row: UUID) -> None:
        """Deletes the record in Zoho."""
        assert self.zoho.simulator.remove(books, self.zoho_id(row))

    @contextmanager
    def past_the_triggers(self) -> Iterator[None]:
        """As a load under a disabled trigger: what was captured meanwhile is forgotten."""
        newest = self.host.value("SELECT COALESCE(max(id), 0) FROM public.zoho_outbox")
        yield
        self.host.interfere("ALTER TABLE public.zoho_outbox DISABLE TRIGGER zoho_outbox_guard_delete")
        self.host.interfere("DELETE FROM public.zoho_outbox WHERE id > %s", [newest])
        self.host.interfere("ALTER TABLE public.zoho_outbox ENABLE ALWAYS TRIGGER zoho_outbox_guard_delete")

    def change(self, row: UUID, **columns: Any) -> None:
        """An UPDATE that no trigger sees."""
        with self.past_the_triggers():
            self.billing.change(row, **columns)

    def delete(self, row: UUID) -> None:
        """A DELETE that the trigger sees; sent by whoever turns."""
        table = sql.Identifier(self.billing.table(row))
        self.host.execute(sql.SQL("DELETE FROM public.{} WHERE id = %s").format(table), [row])


Mistake = Callable[[Town, Family], None]


def _customer_deleted_in_zoho(town: Town, family: Family) -> None:
    town.remove("customers", family.customer)


def _renamed_in_zoho(town: Town, family: Family) -> None:
    town.edit("customers", family.customer, display_name="Somebody Else [gone]")


def _another_email_in_zoho(town: Town, family: Family) -> None:
    town.edit("customers", family.customer, email="other@example.com")


def _another_phone_in_zoho(town: Town, family: Family) -> None:
    """No list shows it."""
    town.edit("customers", family.customer, phone="+27 11 555 9999")


def _made_inactive_in_zoho(town: Town, family: Family) -> None:
    town.edit("customers", family.customer, status="inactive")


def _a_stranger_in_zoho(town: Town, family: Family) -> None:
    town.zoho.simulator.plant_customer(display_name=f"Walk-in {uuid4()}", email="walk.in@example.com")


def _customer_twice_in_zoho(town: Town, family: Family) -> None:
    own = town.record("customers", family.customer)
    town.zoho.simulator.plant_customer(display_name=own["display_name"], email=own["email"])


def _customer_never_captured(town: Town, family: Family) -> None:
    town.number += 1
    with town.past_the_triggers():
        town.host.add_customer(town.number)


def _anothers_id(town: Town, family: Family) -> None:
    theirs = town.zoho.simulator.plant_customer(display_name=f"Theirs [{uuid4()}]", email="theirs@example.com")
    town.change(family.customer, zoho_billing_customer_id=theirs)


def _internal_now(town: Town, family: Family) -> None:
    town.change(family.customer, account_type="internal_test")


def _cancelled_in_zoho(town: Town, family: Family) -> None:
    town.edit("subscriptions", family.service, status="cancelled")


def _dearer_in_zoho(town: Town, family: Family) -> None:
    plan = town.record("subscriptions", family.service)["plan"]
    town.edit("subscriptions", family.service, plan={**plan, "price": Decimal("999.00")}, amount=Decimal("999.00"))


def _service_twice_in_zoho(town: Town, family: Family) -> None:
    own = town.record("subscriptions", family.service)
    town.zoho.simulator.plant_subscription(
        customer_id=own["customer_id"], plan_code=PLAN, amount=Decimal("799.00"), reference_id=str(family.service)
    )


def _a_subscription_by_hand(town: Town, family: Family) -> None:
    own = town.record("subscriptions", family.service)
    town.zoho.simulator.plant_subscription(
        customer_id=own["customer_id"], plan_code=PLAN, amount=Decimal("799.00"), reference_id=""
    )


def _cancelled_here(town: Town, family: Family) -> None:
    town.change(family.service, status="cancelled")


def _dearer_here(town: Town, family: Family) -> None:
    town.change(family.service, monthly_price=Decimal("899.00"))


def _made_void_in_zoho(town: Town, family: Family) -> None:
    town.edit("invoices", family.unpaid, status="void")


def _another_total_in_zoho(town: Town, family: Family) -> None:
    items = [{**item, "price": Decimal("300.00")} for item in town.record("invoices", family.unpaid)["invoice_items"]]
    town.edit("invoices", family.unpaid, invoice_items=items)


def _due_later_in_zoho(town: Town, family: Family) -> None:
    town.edit("invoices", family.unpaid, due_date="2026-06-30")


def _paid_here(town: Town, family: Family) -> None:
    town.change(family.unpaid, status="paid", amount_due=Decimal(0))


def _paid_in_zoho(town: Town, family: Family) -> None:
    own = town.record("invoices", family.unpaid)
    town.zoho.simulator.plant_payment(
        customer_id=own["customer_id"],
        amount=Decimal(OTHER_TOTAL),
        date="2026-04-05",
        payment_mode="cash",
        invoices=[{"invoice_id": own["invoice_id"], "amount_applied": Decimal(OTHER_TOTAL)}],
    )


def an_invoice_by_hand(town: Town, family: Family) -> None:
    town.zoho.simulator.plant_invoice(
        customer_id=town.zoho_id(family.customer), invoice_number=f"HAND-{uuid4()}", total=Decimal("77.00")
    )


def _invoice_twice_in_zoho(town: Town, family: Family) -> None:
    own = town.record("invoices", family.unpaid)
    town.zoho.simulator.plant_invoice(
        customer_id=own["customer_id"], invoice_number=own["invoice_number"], total=Decimal(OTHER_TOTAL)
    )


def _invoice_deleted_here(town: Town, family: Family) -> None:
    town.delete(family.unpaid)


def _invoice_never_captured(town: Town, family: Family) -> None:
    with town.past_the_triggers():
        town.billing.invoice(family.customer, OTHER_TOTAL)


def _applied_elsewhere_in_zoho(town: Town, family: Family) -> None:
    other = town.record("invoices", family.unpaid)["invoice_id"]
    town.edit("payments", family.payment, invoices=[{"invoice_id": other, "amount_applied": Decimal(OTHER_TOTAL)}])


def _payment_twice_in_zoho(town: Town, family: Family) -> None:
    own = town.record("payments", family.payment)
    town.zoho.simulator.plant_payment(
        customer_id=own["customer_id"],
        amount=own["amount"],
        date=own["date"],
        payment_mode=own["payment_mode"],
        reference_number=own["reference_number"],
    )


def _a_payment_by_hand(town: Town, family: Family) -> None:
    town.zoho.simulator.plant_payment(
        customer_id=town.zoho_id(family.customer), amount=Decimal("50.00"), date="2026-03-20", payment_mode="cash"
    )


def _payment_deleted_in_zoho(town: Town, family: Family) -> None:
    town.remove("payments", family.payment)


def _payment_on_another_day_in_zoho(town: Town, family: Family) -> None:
    town.edit("payments", family.payment, date="2026-03-01")


@dataclass(frozen=True)
class Planted:
    """A mistake and what reconciliation is to say of it."""

    mistake: Mistake
    expected: tuple[tuple[str, str], ...]
    """Type and kind of each difference."""
    mended: tuple[str, ...] = ()
    """Kinds that ``--fix`` and a daemon mend."""
    listed: bool = True
    """Seen without ``--deep``."""


PLANTED: dict[str, Planted] = {
    "a customer deleted in Zoho": Planted(_customer_deleted_in_zoho, (("customer", "id_not_ours"),)),
    "a customer renamed in Zoho": Planted(_renamed_in_zoho, (("customer", "fields"),), ("fields",)),
    "another e-mail in Zoho": Planted(_another_email_in_zoho, (("customer", "fields"),), ("fields",)),
    "another phone in Zoho": Planted(_another_phone_in_zoho, (("customer", "fields"),), ("fields",), listed=False),
    "made inactive in Zoho": Planted(_made_inactive_in_zoho, (("customer", "state"),), ("state",)),
    "a stranger in Zoho": Planted(_a_stranger_in_zoho, (("customer", "unknown_here"),)),
    "a customer twice in Zoho": Planted(_customer_twice_in_zoho, (("customer", "duplicate"),)),
    "a customer never captured": Planted(
        _customer_never_captured, (("customer", "missing_in_zoho"),), ("missing_in_zoho",)
    ),
    "another's id": Planted(_anothers_id, (("customer", "id_not_ours"),)),
    "internal now": Planted(
        _internal_now,
        (
            ("customer", "should_be_gone"),
            ("subscription", "should_be_gone"),
            ("invoice", "should_be_gone"),
            ("invoice", "should_be_gone"),
            ("payment", "should_be_gone"),
        ),
    ),
    "a subscription cancelled in Zoho": Planted(_cancelled_in_zoho, (("subscription", "state"),)),
    "dearer in Zoho": Planted(_dearer_in_zoho, (("subscription", "total"),), ("total",)),
    "a service twice in Zoho": Planted(_service_twice_in_zoho, (("subscription", "duplicate"),)),
    "a subscription by hand": Planted(_a_subscription_by_hand, (("subscription", "unknown_here"),)),
    "cancelled here": Planted(_cancelled_here, (("subscription", "state"),), ("state",)),
    "dearer here": Planted(_dearer_here, (("subscription", "total"),), ("total",)),
    "made void in Zoho": Planted(_made_void_in_zoho, (("invoice", "state"),)),
    "another total in Zoho": Planted(_another_total_in_zoho, (("invoice", "total"),), ("total",)),
    "due later in Zoho": Planted(_due_later_in_zoho, (("invoice", "fields"),), ("fields",)),
    "paid here": Planted(_paid_here, (("invoice", "paid_here_open_there"),)),
    "paid in Zoho": Planted(_paid_in_zoho, (("invoice", "paid_here_open_there"), ("payment", "unknown_here"))),
    "an invoice by hand": Planted(an_invoice_by_hand, (("invoice", "unknown_here"),)),
    "an invoice twice in Zoho": Planted(_invoice_twice_in_zoho, (("invoice", "duplicate"),)),
    "an invoice deleted here": Planted(_invoice_deleted_here, (("invoice", "should_be_gone"),)),
    "an invoice never captured": Planted(
        _invoice_never_captured, (("invoice", "missing_in_zoho"),), ("missing_in_zoho",)
    ),
    "applied elsewhere in Zoho": Planted(
        _applied_elsewhere_in_zoho,
        (
            ("invoice", "paid_here_open_there"),
            ("invoice", "paid_here_open_there"),
            ("payment", "other_invoice"),
        ),
    ),
    "a payment twice in Zoho": Planted(_payment_twice_in_zoho, (("payment", "duplicate"),)),
    "a payment by hand": Planted(_a_payment_by_hand, (("payment", "unknown_here"),)),
    "a payment deleted in Zoho": Planted(
        _payment_deleted_in_zoho, (("invoice", "paid_here_open_there"), ("payment", "id_not_ours"))
    ),
    "a payment on another day in Zoho": Planted(_payment_on_another_day_in_zoho, (("payment", "fields"),), ("fields",)),
}
