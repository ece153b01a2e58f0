"""Payments on the host's recurring invoices find the invoice that Zoho raised (decisions.md, Payments: match)."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from outbox.entities.catalogue import Plan
from outbox.entities.contract import Desired, Terms
from outbox.entities.payment_look import looks_of
from outbox.entities.payment_matching import one_term_later
from outbox.entities.payment_row import PaymentRow
from tests.unit.entities.payments import (
    PAYMENT,
    SERVICE_IN_ZOHO,
    TERMS,
    FakeZoho,
    desired,
    invoice,
    paying,
    paying_recurring,
)

pytestmark = pytest.mark.anyio


def raised(*invoices: dict[str, Any]) -> FakeZoho:
    zoho = FakeZoho(invoices=invoices)
    zoho.by_subscription["s1"] = [each["invoice_id"] for each in invoices]
    return zoho


async def prepared(zoho: FakeZoho, row: PaymentRow | None = None, terms: Terms = TERMS) -> Desired:
    row = row or paying_recurring()
    return await PAYMENT.prepare(zoho, row, desired(row, terms), terms)


async def test_the_invoice_whose_period_holds_the_hosts_is_paid() -> None:
    zoho = raised(
        invoice("feb", invoice_date="2026-02-01"),
        invoice("mar", invoice_date="2026-03-01"),
        invoice("apr", invoice_date="2026-04-01"),
    )
    wanted = await prepared(zoho)
    assert wanted.at_creation == {"invoices": [{"invoice_id": "mar", "amount_applied": Decimal("799.00")}]}
    assert wanted.note is None
    assert zoho.asked == ["GET /invoices s1"]


async def test_a_look_after_a_lost_reply_goes_to_that_invoice() -> None:
    wanted = await prepared(raised(invoice("mar")))
    assert [look.invoice_id for look in looks_of([wanted.look_key])] == ["mar"]


@pytest.mark.parametrize(
    ("day", "begins", "held"),
    [
        ("2026-03-01", "2026-03-01", True),
        ("2026-03-31", "2026-03-01", True),
        ("2026-04-01", "2026-03-01", False),
        ("2026-02-28", "2026-03-01", False),
        ("2026-03-14", "2026-02-15", True),
        ("2026-03-15", "2026-02-15", False),
    ],
)
async def test_a_period_ends_before_the_next_begins(day: str, begins: str, held: bool) -> None:
    row = paying_recurring(period_start=date.fromisoformat(day))
    wanted = await prepared(raised(invoice("i1", invoice_date=begins)), row)
    assert bool(wanted.at_creation) is held


async def test_without_a_period_the_invoices_date_counts() -> None:
    row = paying_recurring(period_start=None, invoice_date=date(2026, 4, 3))
    zoho = raised(invoice("mar", invoice_date="2026-03-01"), invoice("apr", invoice_date="2026-04-01"))
    wanted = await prepared(zoho, row)
    assert wanted.at_creation == {"invoices": [{"invoice_id": "apr", "amount_applied": Decimal("799.00")}]}


@pytest.mark.parametrize(("code", "held"), [("YEAR", True), ("FIBRE-50", False), ("gone", False), (None, False)])
async def test_a_yearly_plans_period_is_a_year(code: str | None, held: bool) -> None:
    row = paying_recurring(service=replace(SERVICE_IN_ZOHO, plan_code=code), period_start=date(2026, 3, 1))
    wanted = await prepared(raised(invoice("i1", invoice_date="2025-06-01")), row)
    assert bool(wanted.at_creation) is held


@pytest.mark.parametrize(
    ("total", "held"), [("799.05", True), ("798.95", True), ("799.06", False), ("798.94", False), ("499.00", False)]
)
async def test_totals_agree_within_five_cents(total: str, held: bool) -> None:
    wanted = await prepared(raised(invoice("i1", total=Decimal(total), balance=Decimal(total))))
    assert bool(wanted.at_creation) is held


@pytest.mark.parametrize(
    "fields",
    [
        {"customer_id": "c2"},
        {"status": "void"},
        {"status": "draft"},
        {"total": ""},
        {"invoice_date": ""},
    ],
    ids=lambda fields: next(iter(fields.items())),
)
async def test_no_fit_leaves_the_payment_unapplied_with_a_note(fields: dict[str, Any]) -> None:
    wanted = await prepared(raised(invoice("i1", **fields)))
    assert wanted.at_creation == {}
    assert wanted.note == (
        "not applied: invoice INV-2026-00001 is recurring, and Zoho raised none of 799.00 for the period of "
        "2026-03-01: apply the credit in Zoho"
    )


async def test_the_other_spelling_of_the_date_is_understood() -> None:
    wanted = await prepared(raised(invoice("i1", invoice_date="", date="2026-03-01")))
    assert wanted.at_creation


async def test_only_the_balance_is_applied() -> None:
    wanted = await prepared(raised(invoice("i1", balance=Decimal("100.00"))))
    assert wanted.at_creation == {"invoices": [{"invoice_id": "i1", "amount_applied": Decimal("100.00")}]}


async def test_a_paid_invoice_takes_nothing_and_the_log_says_so() -> None:
    wanted = await prepared(raised(invoice("i1", balance=0, status="paid")))
    assert wanted.at_creation == {}
    assert "INV-i1" in (wanted.note or "")


@pytest.mark.parametrize("order", [("paid", "open"), ("open", "paid")])
async def test_of_two_for_one_period_the_one_with_a_balance_is_paid(order: tuple[str, str]) -> None:
    balances = {"paid": Decimal(0), "open": Decimal("799.00")}
    wanted = await prepared(raised(*(invoice(name, balance=balances[name]) for name in order)))
    assert wanted.at_creation == {"invoices": [{"invoice_id": "open", "amount_applied": Decimal("799.00")}]}


async def test_a_payment_on_an_invoice_of_ours_asks_for_nothing() -> None:
    zoho = FakeZoho()
    wanted = desired(paying())
    assert await PAYMENT.prepare(zoho, paying(), wanted, TERMS) == wanted
    assert zoho.asked == []


@pytest.mark.parametrize(
    ("begins", "interval", "unit", "ends"),
    [
        ("2026-01-31", 1, "months", "2026-02-28"),
        ("2024-02-29", 1, "years", "2025-02-28"),
        ("2026-12-01", 1, "months", "2027-01-01"),
        ("2026-11-30", 3, "months", "2027-02-28"),
        ("2026-03-01", 2, "years", "2028-03-01"),
    ],
)
def test_a_term_ends_on_a_day_that_exists(begins: str, interval: int, unit: str, ends: str) -> None:
    plan = Plan("P", interval, unit, active=True)
    assert one_term_later(date.fromisoformat(begins), plan) == date.fromisoformat(ends)
