"""What was paid, and on what, in Zoho's books."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.books import Record
from tests.sending.billing import FAR, Billing, held, only, record_of
from tests.sending.conftest import Process

pytestmark = pytest.mark.anyio

TOTAL = Decimal("1150.00")


@pytest.fixture
async def invoice(billing: Billing, process: Process, customer: UUID) -> UUID:
    """An open invoice of R 1150 that is not due for long."""
    invoice = billing.invoice(customer, due_date=FAR)
    await process.turns_until_quiet()
    return invoice


def applied(record: Record) -> Decimal:
    return sum((row["amount_applied"] for row in record["invoices"]), Decimal(0))


async def test_parts_pay_an_invoice_one_after_another_and_what_is_too_much_is_credit(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
) -> None:
    seen = []
    for part in ("300.00", "849.99", "100.00"):
        payment = billing.payment(customer, invoice, part)
        await process.turns_until_quiet()
        record = only(zoho, "invoices")
        seen.append((record["status"], record["balance"], applied(record_of(zoho, "payments", payment))))
    assert seen == [
        ("partially_paid", Decimal("850.00"), Decimal("300.00")),
        ("partially_paid", Decimal("0.01"), Decimal("849.99")),
        ("paid", 0, Decimal("0.01")),
    ]
    assert only(zoho, "customers")["unused_credits"] == Decimal("99.99")


async def test_one_on_an_invoice_that_is_paid_already_is_credit_and_says_so(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
) -> None:
    billing.payment(customer, invoice)
    await process.turns_until_quiet()
    again = billing.payment(customer, invoice)
    await process.turns_until_quiet()
    assert record_of(zoho, "payments", again)["invoices"] == []
    assert only(zoho, "customers")["unused_credits"] == TOTAL
    assert billing.shown(again)[0] == "synced"


async def test_an_amount_that_is_corrected_upwards_is_applied_up_to_the_balance(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
) -> None:
    payment = billing.payment(customer, invoice, "1000.00")
    await process.turns_until_quiet()
    billing.change(payment, amount=Decimal("1200.00"))
    await process.turns_until_quiet()
    record = only(zoho, "payments")
    assert (record["amount"], applied(record)) == (Decimal("1200.00"), TOTAL)
    assert only(zoho, "invoices")["balance"] == 0
    assert only(zoho, "customers")["unused_credits"] == Decimal("50.00")


@pytest.mark.parametrize(
    ("method", "mode"),
    [
        ("card", "creditcard"),
        ("Credit Card", "creditcard"),
        ("eft", "banktransfer"),
        ("instant_eft", "banktransfer"),
        ("debit_order", "bankremittance"),
        ("cash", "cash"),
        ("voucher", "others"),
        (None, "others"),
    ],
)
async def test_the_mode_is_zohos_word_for_it(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, method: str | None, mode: str
) -> None:
    billing.payment(customer, None, "100.00", payment_method=method)
    await process.turns_until_quiet()
    assert only(zoho, "payments")["payment_mode"] == mode


@pytest.mark.parametrize(
    ("initiated", "completed", "day"),
    [
        (datetime(2026, 2, 28, 21, 59, tzinfo=UTC), None, "2026-02-28"),
        (datetime(2026, 2, 28, 22, 0, tzinfo=UTC), None, "2026-03-01"),
        (datetime(2026, 2, 27, 8, 0, tzinfo=UTC), datetime(2025, 12, 31, 22, 30, tzinfo=UTC), "2026-01-01"),
    ],
    ids=["begun before midnight", "begun at midnight", "completed in the new year"],
)
async def test_the_date_is_the_day_in_the_companys_zone(
    billing: Billing,
    zoho: RunningSimulator,
    process: Process,
    customer: UUID,
    initiated: datetime,
    completed: datetime | None,
    day: str,
) -> None:
    billing.payment(customer, None, "100.00", initiated_at=initiated, completed_at=completed)
    await process.turns_until_quiet()
    assert only(zoho, "payments")["date"] == day


async def test_customer_invoice_id_goes_before_the_older_invoice_id(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
) -> None:
    older = billing.invoice(customer, "500.00")
    await process.turns_until_quiet()
    billing.payment(customer, invoice, "500.00", invoice_id=older)
    await process.turns_until_quiet()
    assert record_of(zoho, "invoices", invoice)["balance"] == Decimal("650.00")
    assert record_of(zoho, "invoices", older)["balance"] == Decimal("500.00")


async def test_the_providers_words_stand_in_the_description_and_our_id_is_the_reference(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
) -> None:
    payment = billing.payment(customer, None, "100.00", transaction_id="NC-77", reference="CT-INV-9 שלום 🎉")
    await process.turns_until_quiet()
    record = only(zoho, "payments")
    assert record["reference_number"] == str(payment)
    assert record["description"] == "Transaction NC-77, reference CT-INV-9 שלום 🎉"


@pytest.mark.parametrize("amount", ["0.01", "99999999.99"])
async def test_the_least_and_the_largest_amount_arrive_to_the_cent(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, amount: str
) -> None:
    billing.payment(customer, None, amount)
    await process.turns_until_quiet()
    assert only(zoho, "payments")["amount"] == only(zoho, "customers")["unused_credits"] == Decimal(amount)


async def test_a_refund_pays_back_what_is_left_and_the_payment_stays_in_the_books(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, invoice: UUID
) -> None:
    payment = billing.payment(customer, invoice, "1500.00")
    await process.turns_until_quiet()
    billing.change(payment, status="refunded")
    await process.turns_until_quiet()
    record = only(zoho, "payments")
    assert (record["amount"], record["amount_refunded"]) == (Decimal("1500.00"), Decimal("1500.00"))
    assert [refund["amount"] for refund in held(zoho, "refunds")] == [Decimal("1500.00")]
    assert only(zoho, "customers")["unused_credits"] == 0
    assert billing.shown(payment) == ("synced", None)
