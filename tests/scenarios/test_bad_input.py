"""Rows of people who type anything: sent right, or dead with a sentence that an operator understands. Nothing guessed.

One table for each type. All rows of a table are there at once: a strange one must not disturb its neighbours either.
"""

import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.books import Record
from tests.sending.billing import PLAN, Billing, external_id, held, lines
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

FAMILY = "👩‍👩‍👧 Fibre 📡"
HEBREW = "שלום עולם"
TURNED = "مرحبا \u202eabc\u202c"
BELL = "Bell\x07\x1b[31m ringer\x7f"
LETTERS = 'Zoë Naïdoo-O\'Brien & <Söhne> "Ltd" \\ {0} %s'


@dataclass(frozen=True)
class Case:
    """A row, and what must become of it."""

    called: str
    columns: dict[str, Any]
    shows: dict[str, Any] = field(default_factory=dict)
    """Of the record in Zoho, by 'key' or 'key.key'."""
    dead: str | None = None
    """What the error says; then nothing of it is in Zoho."""


CUSTOMERS = (
    Case("emoji", {"first_name": FAMILY, "last_name": "🎉"}, {"first_name": FAMILY, "last_name": "🎉"}),
    Case("right to left", {"first_name": HEBREW, "last_name": TURNED}, {"last_name": TURNED}),
    Case("the longest names", {"first_name": "é" * 100, "last_name": "x" * 100}, {"first_name": "é" * 100}),
    Case("the longest business", {"business_name": "👨‍👩‍👧‍👦" * 36}, {"company_name": "👨‍👩‍👧‍👦" * 36}),
    Case("control characters", {"business_name": BELL}, {"company_name": "Bell [31m ringer"}),
    Case("lines", {"business_name": "Crumb\r\n& Daughters\n"}, {"company_name": "Crumb, & Daughters"}),
    Case("quotes and braces", {"business_name": LETTERS}, {"company_name": LETTERS}),
    Case("another's key", {"business_name": "Field [CT-2025-00001]"}, {"company_name": "Field [CT-2025-00001]"}),
    Case("no address", {"email": ""}, {"email": ""}),
    Case("an address of blanks", {"email": "  "}, {"email": ""}),
    Case("an address that is none", {"email": "no address"}, dead="mail"),
    Case("a telephone of blanks", {"phone": " "}, {"phone": ""}),
    Case("nobody", {"first_name": " ", "last_name": "\n"}, dead="the customer has no name: give it a business_name"),
    Case("control characters alone", {"first_name": "\x07", "last_name": "\x1b"}, dead="the customer has no name"),
)

SERVICES = (
    Case("a cent", {"monthly_price": "0.01"}, {"amount": Decimal("0.01")}),
    Case("all that fits", {"monthly_price": "99999999.99"}, {"amount": Decimal("99999999.99")}),
    Case("nothing", {"monthly_price": "0.00"}, {"amount": Decimal(0)}),
    Case("no number", {"monthly_price": "NaN"}, dead="monthly_price is NaN: correct it"),
    Case("less than nothing", {"monthly_price": "-1.00"}, dead="monthly_price is -1.00: correct it"),
    Case("emoji in the name", {"package_name": FAMILY}, {"plan_code": PLAN}),
    Case("the longest name", {"package_name": HEBREW * 28}, {"plan_code": PLAN}),
    Case("the last day that has a month", {"billing_day": 28}, {"next_billing_at": "2099-01-28"}),
    Case(
        "a leap day",
        {"last_invoice_date": None, "activation_date": date(2104, 2, 29), "billing_day": 28},
        {"next_billing_at": "2104-03-28"},
    ),
    Case("over the year", {"last_invoice_date": date(2099, 12, 31)}, {"next_billing_at": "2100-01-15"}),
    Case("the end of time", {"last_invoice_date": date.max}, dead="no day is known on which Zoho could begin"),
    Case("no day at all", {"last_invoice_date": None}, dead="activation_date and last_invoice_date are empty"),
    Case("no billing day", {"billing_day": None}, dead="billing_day is empty"),
    Case("a day without an end", {"last_invoice_date": "infinity"}, dead="holds a value that cannot be read"),
)

INVOICES = (
    Case("a cent", {"total": "0.01"}, {"total": Decimal("0.01")}),
    Case("all that fits", {"total": "99999999.99"}, {"total": Decimal("99999999.99")}),
    Case("cents that do not divide", {"total": "100.00", "line_items": '[{"amount": 100, "quantity": 3}]'}),
    Case("seven parts", {"total": "0.07", "line_items": lines(("Part", 7, "0.01"))}, {"total": Decimal("0.07")}),
    Case("hours", {"total": "312.50", "line_items": '[{"unit_price": 125, "quantity": 2.5}]'}),
    Case("metres", {"total": "500.18", "line_items": '[{"unit_price": "12.35", "quantity": "40.5"}]'}),
    Case("a price in half cents", {"total": "1.01", "line_items": '[{"unit_price": 0.335, "quantity": 3}]'}),
    Case("a comma", {"total": "1199.50", "line_items": '[{"unit_price": "R 1 199,50"}]'}),
    Case("an amount of two readings", {"line_items": '[{"unit_price": "1,199"}]'}, dead="can be read in one way only"),
    Case("an amount of words", {"line_items": '[{"amount": "free"}]'}, dead="amount of line 1 in line_items"),
    Case("an endless amount", {"line_items": '[{"amount": 1e400}]'}, dead="is too large: correct it"),
    Case("emoji", {"line_items": lines((FAMILY, 1, "1150.00"))}, {"invoice_items.name": FAMILY}),
    Case("right to left", {"line_items": lines((TURNED, 1, "1150.00"))}, {"invoice_items.name": TURNED}),
    Case("300 letters", {"line_items": lines(("é" * 300, 1, "1150.00"))}, {"invoice_items.description": "é" * 300}),
    Case("control characters", {"line_items": lines((BELL, 1, "1150.00"))}, {"invoice_items.name": "Bell [31m ringer"}),
    Case("notes of lines", {"notes": f"One\r\ntwo\u2028{BELL}"}, {"notes": "One, two, Bell [31m ringer"}),
    Case("300 letters of notes", {"notes": "🎉" * 300}, {"notes": "🎉" * 300}),
    Case("a number in emoji", {"invoice_number": "№ 7 ✓ 🎉"}, {"invoice_number": "№ 7 ✓ 🎉"}),
    Case("a number with blanks", {"invoice_number": " CT/7\n"}, {"invoice_number": "CT/7"}),
    Case("a number of 51", {"invoice_number": "N" * 51}, dead="renumber the invoice"),
    Case("a number of blanks", {"invoice_number": " \n"}, dead="the invoice has no invoice_number: give it one"),
    Case("the first day", {"invoice_date": date(1970, 1, 1)}, {"date": "1970-01-01"}),
    Case("a leap day", {"invoice_date": date(2024, 2, 29), "due_date": date(2024, 2, 29)}, {"date": "2024-02-29"}),
    Case("the last day", {"invoice_date": date.max, "due_date": date.max}, {"due_date": "9999-12-31"}),
    Case("due before it is raised", {"due_date": date(2026, 3, 1)}, dead="due_date must not be before invoice_date"),
    Case("a day without an end", {"due_date": "infinity"}, dead="holds a value that cannot be read"),
    Case("no number at all", {"total_amount": "NaN"}, dead="total_amount, subtotal, tax_amount or vat_rate is NaN"),
    Case("nothing", {"total": "0.00"}, dead="raise a credit note in Zoho"),
    Case("owed to the customer", {"total": "-1.00"}, dead="raise a credit note in Zoho"),
    Case("lines of another sum", {"line_items": lines(("A", 1, "900.00"))}, dead="the lines add up to 900.00"),
    Case("lines that are one figure", {"line_items": "7"}, dead="a single value, not a list of lines"),
    Case("lines that are words", {"line_items": '"see attached"'}, dead="text that is no JSON"),
    Case("lines of lines", {"line_items": "[[1]]"}, dead="line 1 of line_items is no object"),
    Case("a line without a figure", {"line_items": '[{"description": "A"}]'}, dead="neither unit_price nor amount"),
    Case("a rate that nobody has", {"vat_rate": "99.00", "tax_amount": "7.00"}, dead="fits no tax in Zoho"),
)

PAYMENTS = (
    Case("a cent", {"amount": "0.01"}, {"amount": Decimal("0.01")}),
    Case("all that fits", {"amount": "99999999.99"}, {"amount": Decimal("99999999.99")}),
    Case("no number", {"amount": "NaN"}, dead="amount is NaN: correct it"),
    Case("emoji", {"reference": FAMILY}, {"description": FAMILY}),
    Case("right to left", {"transaction_id": HEBREW, "reference": TURNED}, {"description": TURNED}),
    Case("300 letters", {"reference": "é" * 300}, {"description": "é" * 300}),
    Case("600 letters", {"reference": "x" * 600}, {"description": "x" * 400}),
    Case("control characters", {"reference": BELL}, {"description": "Bell [31m ringer"}),
    Case("a method of emoji", {"payment_method": "💳"}, {"payment_mode": "others"}),
    Case("a method in capitals", {"payment_method": " Instant-EFT\n"}, {"payment_mode": "banktransfer"}),
    Case("a currency in small", {"currency": "zar "}, {"currency_code": "ZAR"}),
    Case("a currency of blanks", {"currency": " "}, dead="paid in (no currency)"),
    Case("another currency", {"currency": "€"}, dead="paid in €, and Zoho is kept in ZAR"),
    Case("before midnight", {"completed_at": datetime(2024, 2, 29, 21, 59, 59, tzinfo=UTC)}, {"date": "2024-02-29"}),
    Case("at midnight", {"completed_at": datetime(2024, 2, 29, 22, 0, tzinfo=UTC)}, {"date": "2024-03-01"}),
    Case("a new century", {"completed_at": datetime(1999, 12, 31, 22, 0, tzinfo=UTC)}, {"date": "2000-01-01"}),
    Case("a day without an end", {"completed_at": "infinity"}, dead="holds a value that cannot be read"),
)


async def test_customers(host: Host, billing: Billing, zoho: RunningSimulator, process: Process) -> None:
    rows = [host.add_customer(number, **case.columns) for number, case in enumerate(CUSTOMERS, start=1)]
    await process.turns_until_quiet()
    for row, case in zip(rows, CUSTOMERS, strict=True):
        came_to(case, row, host.shown(row), held(zoho, "customers"))
    for record in held(zoho, "customers"):
        assert len(record["display_name"]) <= 100
        assert record["display_name"].endswith("]")


async def test_services(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    rows = [
        billing.service(customer, fibre, **{"last_invoice_date": date(2099, 1, 14), **case.columns})
        for case in SERVICES
    ]
    await process.turns_until_quiet()
    for row, case in zip(rows, SERVICES, strict=True):
        came_to(case, row, billing.shown(row), held(zoho, "subscriptions"))
    assert held(zoho, "invoices") == []


async def test_invoices(billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID) -> None:
    rows = []
    for case in INVOICES:
        columns = {"total": "1150.00", "line_items": None, **case.columns}
        total = columns.pop("total")
        rows.append(billing.invoice(customer, total, **columns))
    await process.turns_until_quiet()
    for row, case in zip(rows, INVOICES, strict=True):
        came_to(case, row, billing.shown(row), held(zoho, "invoices"))
        if case.dead is None:
            (record,) = (record for record in held(zoho, "invoices") if external_id(record) == str(row))
            assert record["total"] == billing.row(row)["total_amount"], case.called
            assert record["status"] in {"sent", "overdue"}, case.called


async def test_payments(billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID) -> None:
    rows = [billing.payment(customer, None, **{"amount": "100.00", **case.columns}) for case in PAYMENTS]
    await process.turns_until_quiet()
    for row, case in zip(rows, PAYMENTS, strict=True):
        came_to(case, row, billing.shown(row), held(zoho, "payments"))
        if case.dead is None:
            (record,) = (record for record in held(zoho, "payments") if external_id(record) == str(row))
            assert record["amount"] == billing.row(row)["amount"], case.called
            assert record["reference_number"] == str(row)


def came_to(case: Case, row: UUID, shown: tuple[str | None, str | None], records: list[Record]) -> None:
    """The row's record is there once and shows what it must; or it is not, and the row says why."""
    ours = [record for record in records if external_id(record) == str(row)]
    status, error = shown
    if case.dead is not None:
        assert (status, ours) == ("failed", []), (case.called, shown)
        assert error is not None
        assert case.dead in error, (case.called, error)
        assert ":" in error, (case.called, error)
        assert "internal error" not in error, (case.called, error)
        assert not any(unicodedata.category(letter) == "Cc" for letter in error), (case.called, error)
        return
    assert (status, error, len(ours)) == ("synced", None, 1), (case.called, shown)
    for path, value in case.shows.items():
        found: Any = ours[0]
        for key in path.split("."):
            found = found[0][key] if isinstance(found, list) else found[key]
        assert (value in found) if path == "description" else (found == value), (case.called, path, found)
