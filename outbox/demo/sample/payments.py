"""Payments of every kind, and what only looks like one."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from outbox.demo.sample.customers import (
    AYESHA,
    BAKERY,
    DENTIST,
    FREIGHT,
    GOGO,
    GUEST_HOUSE,
    JOHAN,
    LERATO,
    SIPHO,
    TESTER,
    THANDEKA,
    ZANELE,
    ZOE,
)
from outbox.demo.sample.days import Days, at
from outbox.demo.sample.ends import Dead, PaymentInZoho, Skipped, Waiting
from outbox.demo.sample.invoices import Invoices
from outbox.demo.sample.rows import Payment

RAISED_BY_ZOHO = "INV-000001"
"""Zoho's number of the invoice that its subscription of CT-2025-00002 raised for the present term."""


@dataclass(frozen=True)
class Payments:
    """In the order in which they come."""

    early: Payment
    """Before its invoice."""
    received: tuple[Payment, ...]
    on_recurring: tuple[Payment, ...]
    refunded: Payment
    """Completed, and given back later."""
    stuck: tuple[Payment, ...]
    none: tuple[Payment, ...]
    """No payments at all, or not yet."""
    tester: Payment


def payments(days: Days, invoices: Invoices) -> Payments:
    """As they are entered; what happens to them later is in the acts."""
    yesterday = days.ago(1)
    morning = at(yesterday, "08:15")
    return Payments(
        early=Payment(
            "NC-10001",
            SIPHO.account_number,
            Decimal("250.00"),
            "voucher",
            morning,
            PaymentInZoho(yesterday, "others", {invoices.text_lines.key: Decimal("250.00")}),
            completed_at=at(yesterday, "08:16"),
            invoice_number=invoices.text_lines.key,
        ),
        received=(
            # A part of it.
            Payment(
                "NC-10002",
                BAKERY.account_number,
                Decimal("1000.00"),
                "eft",
                morning,
                PaymentInZoho(yesterday, "banktransfer", {invoices.installation.key: Decimal("1000.00")}),
                completed_at=morning,
                invoice_number=invoices.installation.key,
            ),
            # Past midnight at CircleTel, and not yet in UTC.
            Payment(
                "PF-20003",
                AYESHA.account_number,
                Decimal("1000.00"),
                "Credit Card",
                at(days.ago(3), "22:29"),
                PaymentInZoho(days.ago(2), "creditcard", {invoices.equipment.key: Decimal("1000.00")}),
                completed_at=at(days.ago(3), "22:30"),
                provider="payfast",
                invoice_number=invoices.equipment.key,
            ),
            Payment(
                "NC-10004",
                AYESHA.account_number,
                Decimal("1197.00"),
                "cash",
                morning,
                PaymentInZoho(yesterday, "cash", {invoices.equipment.key: Decimal("1197.00")}),
                completed_at=morning,
                invoice_number=invoices.equipment.key,
            ),
            # More than it: the rest is credit.
            Payment(
                "NC-10005",
                DENTIST.account_number,
                Decimal("3500.00"),
                "instant_eft",
                morning,
                PaymentInZoho(yesterday, "banktransfer", {invoices.exclusive.key: Decimal("3066.59")}),
                completed_at=morning,
                invoice_number=invoices.exclusive.key,
            ),
            Payment(
                "PG-30006",
                DENTIST.account_number,
                Decimal("500.00"),
                "card",
                morning,
                PaymentInZoho(yesterday, "creditcard", {invoices.zero_rated.key: Decimal("500.00")}),
                completed_at=morning,
                provider="paygate",
                invoice_number=invoices.zero_rated.key,
            ),
            # An older row: no customer, and the invoice in the older column.
            Payment(
                "NC-10007",
                GOGO.account_number,
                Decimal("850.00"),
                "cash",
                morning,
                PaymentInZoho(yesterday, "cash", {invoices.no_lines.key: Decimal("850.00")}),
                completed_at=morning,
                invoice_number=invoices.no_lines.key,
                is_older=True,
            ),
            Payment(
                "NC-10008",
                ZANELE.account_number,
                Decimal("479.40"),
                "debit_order",
                morning,
                PaymentInZoho(yesterday, "bankremittance", {invoices.fraction.key: Decimal("479.40")}),
                completed_at=morning,
                invoice_number=invoices.fraction.key,
            ),
            # For nothing in particular, and nobody noted when it was completed.
            Payment(
                "NC-10009",
                GOGO.account_number,
                Decimal("120.00"),
                "cash",
                at(days.ago(5), "09:00"),
                PaymentInZoho(days.ago(5), "cash"),
            ),
        ),
        on_recurring=(
            # Applied to the invoice that Zoho raised for the same term.
            Payment(
                "NC-10010",
                THANDEKA.account_number,
                Decimal("799.00"),
                "debit_order",
                morning,
                PaymentInZoho(yesterday, "bankremittance", {RAISED_BY_ZOHO: Decimal("799.00")}),
                completed_at=morning,
                invoice_number=invoices.recurring.key,
            ),
            # Zoho raised none for that term: credit, with a note. Waits for the subscription before.
            Payment(
                "NC-10011",
                LERATO.account_number,
                Decimal("649.00"),
                "instant_eft",
                at(days.ago(90), "07:00"),
                PaymentInZoho(days.ago(90), "banktransfer"),
                completed_at=at(days.ago(90), "07:00"),
                invoice_number=invoices.recurring_older.key,
            ),
        ),
        refunded=Payment(
            "NC-10012",
            JOHAN.account_number,
            Decimal("300.00"),
            "eft",
            morning,
            PaymentInZoho(yesterday, "banktransfer", refunded=True),
            completed_at=morning,
        ),
        stuck=(
            Payment(
                "NC-10013",
                FREIGHT.account_number,
                Decimal("1150.00"),
                "eft",
                morning,
                Waiting("which is a draft"),
                completed_at=morning,
                invoice_number=invoices.draft.key,
            ),
            Payment(
                "NC-10014",
                GUEST_HOUSE.account_number,
                Decimal("2450.00"),
                "eft",
                morning,
                Waiting(f"invoice {invoices.not_adding_up.key}, which failed"),
                completed_at=morning,
                invoice_number=invoices.not_adding_up.key,
            ),
            Payment(
                "PG-30015",
                GUEST_HOUSE.account_number,
                Decimal("75.00"),
                "card",
                morning,
                Dead("paid in USD"),
                completed_at=morning,
                provider="paygate",
                currency="USD",
            ),
        ),
        none=(
            Payment(
                "ZB-40016",
                FREIGHT.account_number,
                Decimal("2499.00"),
                "card",
                morning,
                Skipped("made at Zoho itself"),
                completed_at=morning,
                provider="zoho_billing",
            ),
            Payment(
                "PM-VAL-50017",
                ZANELE.account_number,
                Decimal("1.00"),
                "card",
                morning,
                Skipped("card validation"),
                completed_at=morning,
                metadata='{"type": "payment_method_validation"}',
            ),
            Payment(
                "NC-10018",
                GUEST_HOUSE.account_number,
                Decimal("99.00"),
                "card",
                morning,
                Skipped("refunded before it was sent"),
                completed_at=morning,
                status="refunded",
            ),
            *(_unfinished(number, status, days) for number, status in enumerate(UNFINISHED, 10019)),
        ),
        tester=Payment(
            "NC-TEST-1",
            TESTER.account_number,
            Decimal("1.15"),
            "card",
            morning,
            Skipped("internal_test"),
            completed_at=morning,
            invoice_number=invoices.tester.key,
        ),
    )


_Unfinished = Literal["pending", "processing", "failed", "cancelled", "expired"]
UNFINISHED: tuple[_Unfinished, ...] = ("pending", "processing", "failed", "cancelled", "expired")


def _unfinished(number: int, status: _Unfinished, days: Days) -> Payment:
    end = Skipped(f"{status}, not completed")
    return Payment(
        f"NC-{number}", ZOE.account_number, Decimal("850.00"), "card", at(days.ago(1), "12:00"), end, status=status
    )
