"""The sample shows what it is to show, and comes out alike on every day."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from outbox.demo.sample import sample
from outbox.demo.sample.acts import Edit, Enter
from outbox.demo.sample.customers import PRODUCTION, TEST_ACCOUNTS
from outbox.demo.sample.days import Days
from outbox.demo.sample.ends import Dead, InvoiceInZoho, PaymentInZoho, Skipped, SubscriptionInZoho, Waiting
from outbox.demo.sample.payments import RAISED_BY_ZOHO
from outbox.demo.sample.rows import Customer, Invoice, Package, Payment, SentRow, Service
from outbox.entities.billing_days import first_start

PRODUCTION_NUMBERS = (
    *("00002", "00004", "00005", "00006", "00007", "00008", "00009", "00011", "00012", "00014"),
    *("00015", "00023", "00024"),
)

ANY_DAY = Days(date(2026, 3, 18))


def rows(days: Days = ANY_DAY) -> list[SentRow]:
    return sample(days).rows()


def every_day() -> Iterator[Days]:
    day = date(2027, 1, 1)
    while day < date(2028, 4, 1):
        yield Days(day)
        day += timedelta(days=1)


def test_it_holds_the_customers_of_production_and_the_test_accounts() -> None:
    assert [customer.account_number for customer in PRODUCTION] == [
        f"CT-2025-{number}" for number in PRODUCTION_NUMBERS
    ]
    assert len(TEST_ACCOUNTS) == 4
    assert all(account.account_type == "internal_test" for account in TEST_ACCOUNTS)
    assert {row.account_number for row in rows() if isinstance(row, Customer)} == {
        customer.account_number for customer in (*PRODUCTION, *TEST_ACCOUNTS)
    }


def test_no_address_of_it_reaches_anybody() -> None:
    assert [customer.account_number for customer in PRODUCTION if not customer.email] == ["CT-2025-00014"]
    assert all(customer.email.endswith("example.com") for customer in PRODUCTION if customer.email)


def test_services_are_in_every_state_and_packages_published_and_not() -> None:
    assert {row.status for row in rows() if isinstance(row, Service)} == {"pending", "active", "suspended", "cancelled"}
    states = {row.end.status for row in rows() if isinstance(row.end, SubscriptionInZoho)}
    assert states == {"future", "live", "non_renewing", "cancelled"}
    entered = [
        row for act in sample(ANY_DAY).acts for step in act.steps if isinstance(step, Enter) for row in step.rows
    ]
    assert {row.publishing for row in entered if isinstance(row, Package)} == {"ok", "pending", "failed"}


def test_invoices_are_of_every_type_and_state_and_their_lines_of_every_age() -> None:
    invoices = [row for row in rows() if isinstance(row, Invoice)]
    types = {"recurring", "installation", "pro_rata", "equipment", "adjustment", None}
    assert {invoice.invoice_type for invoice in invoices} == types
    states = {"draft", "sent", "paid", "partial", "overdue", "cancelled", "voided"}
    assert {invoice.status for invoice in invoices} == states
    there = {row.end.status for row in invoices if isinstance(row.end, InvoiceInZoho)}
    assert there == {"sent", "overdue", "partially_paid", "paid", "void"}
    stored = [invoice.line_items for invoice in invoices if isinstance(invoice.end, InvoiceInZoho)]
    assert None in stored
    lines = [text.lstrip() for text in stored if text is not None]
    assert "[]" in lines
    assert {text[0] for text in lines} == {"[", "{", '"'}
    assert any("unit_price" in text and '"amount"' not in text for text in lines)
    assert any('"amount"' in text and "unit_price" not in text for text in lines)
    assert any("unit_price" in text and "quantity" not in text for text in lines)


def test_payments_are_of_every_kind() -> None:
    payments = [row for row in rows() if isinstance(row, Payment)]
    states = {"pending", "processing", "completed", "failed", "refunded", "cancelled", "expired"}
    assert {payment.status for payment in payments} == states
    assert {payment.provider for payment in payments} == {"netcash", "zoho_billing", "payfast", "paygate"}
    there = [row.end for row in payments if isinstance(row.end, PaymentInZoho)]
    assert {end.mode for end in there} == {"cash", "creditcard", "banktransfer", "bankremittance", "others"}
    assert any(not end.applied for end in there)
    assert any(end.refunded for end in there)


def test_rows_of_more_than_one_type_are_skipped_wait_and_die() -> None:
    for end in (Skipped, Waiting, Dead):
        assert len({row.entity_type for row in rows() if isinstance(row.end, end)}) >= 2, end


def test_no_payment_puts_more_on_an_invoice_than_its_total() -> None:
    totals = {row.key: row.total_amount for row in rows() if isinstance(row, Invoice)}
    totals[RAISED_BY_ZOHO] = Decimal("799.00")
    applied = dict.fromkeys(totals, Decimal(0))
    for row in rows():
        if isinstance(row, Payment) and isinstance(row.end, PaymentInZoho):
            assert sum(row.end.applied.values(), Decimal(0)) <= row.amount
            for number, amount in row.end.applied.items():
                applied[number] += amount
                assert applied[number] <= totals[number], number


def test_no_two_rows_have_one_id() -> None:
    assert max(Counter(row.id for row in rows()).values()) == 1


def test_an_edit_changes_the_columns_that_follow_from_it_too() -> None:
    edits = [step for act in sample(ANY_DAY).acts for step in act.steps if isinstance(step, Edit)]
    (edit,) = [edit for edit in edits if "subtotal" in edit.fields]
    columns = edit.columns()
    assert columns.keys() == {"line_items", "subtotal", "tax_amount", "total_amount", "amount_due"}
    assert columns["total_amount"] == columns["amount_due"] == Decimal("920.00")


def test_on_every_day_a_subscription_begins_when_the_decisions_say_and_never_today() -> None:
    for days in every_day():
        for row in rows(days):
            if not isinstance(row.end, SubscriptionInZoho) or row.end.bills_next is None:
                continue
            assert isinstance(row, Service)
            assert row.end.bills_next > days.today
            start = first_start(
                row.billing_day, row.last_invoice_date, row.activation_date, days.today, today_is_late=False
            )
            assert start is not None
            assert (start.day, start.missed) == (row.end.bills_next, None), (days, row)


def test_on_every_day_an_invoice_is_due_after_its_date_and_overdue_only_where_it_ends_so() -> None:
    for days in every_day():
        for row in rows(days):
            if isinstance(row, Invoice) and isinstance(row.end, InvoiceInZoho):
                assert row.invoice_date <= row.due_date
                assert (row.due_date < days.today) == (row.end.status == "overdue")


@pytest.mark.parametrize(
    ("today", "last", "following"),
    [
        (date(2027, 1, 31), date(2027, 1, 25), date(2027, 2, 25)),
        (date(2027, 12, 25), date(2027, 12, 25), date(2028, 1, 25)),
        (date(2028, 1, 24), date(2027, 12, 25), date(2028, 1, 25)),
        (date(2028, 2, 29), date(2028, 2, 25), date(2028, 3, 25)),
    ],
)
def test_days_of_a_month_are_found_over_its_ends(today: date, last: date, following: date) -> None:
    assert (Days(today).last(25), Days(today).next(25)) == (last, following)
