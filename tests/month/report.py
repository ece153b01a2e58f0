"""The closing line of a month: what was compared, what it took, what does not agree."""

from dataclasses import dataclass
from decimal import Decimal

from tests.month.audit import Books, days_billed_wrongly, differences
from tests.month.ledger import NOTHING
from tests.month.play import Filters, Played


@dataclass(frozen=True)
class Report:
    """How a month closes."""

    line: str
    found: list[str]
    priced_otherwise: list[str]


def close(played: Played, mode: str, filters: Filters, books: Books | None = None) -> Report:
    """Both audits. ``books``: others than the month left, for a bookkeeper who is put to the test."""
    held = played.books if books is None else books
    findings = differences(played.book, played.rows, held)
    calendar = days_billed_wrongly(played.book, played.rows, held)
    found = [_named(each, played) for each in (*findings.found, *calendar.found, *played.made_twice)]
    counts = ", ".join(
        f"{len(held.held[name])} {name}" for name in ("customers", "subscriptions", "invoices", "payments", "refunds")
    )
    billed = sum((debt.total for debt in played.book.debts if not debt.void), NOTHING)
    owed = sum((debt.balance for debt in played.book.debts), NOTHING)
    credit = sum(map(played.book.has_paid_too_much, played.book.accounts), NOTHING)
    told = [
        f"billing by {mode}, undocumented filters {filters}: {played.days} days",
        f"{findings.records} records ({counts})",
        f"R {_amount(billed)} billed, {_amount(owed)} owed, {_amount(credit)} credit",
        f"{played.requests} requests",
        f"{calendar.named} service days named as billed by nobody or by the host alone",
        *([f"priced otherwise by Zoho: {', '.join(calendar.priced_otherwise)}"] if calendar.priced_otherwise else []),
        f"differences {len(found)}",
    ]
    return Report("; ".join(told), found, calendar.priced_otherwise)


def _named(finding: str, played: Played) -> str:
    """With the names that people call the rows by, beside their ids."""
    for row, name in played.names.items():
        finding = finding.replace(str(row), f"{name} ({row})")
    return finding


def _amount(amount: Decimal) -> str:
    return f"{amount:,.2f}".replace(",", " ")
