"""The bookkeeper's books held against Zoho's: every record, every figure, every day; and every day paid for once.

Two audits that share nothing. :func:`differences` compares record by record with what the bookkeeper wrote down.
:func:`days_billed_wrongly` knows no rule of any record: it counts, in Zoho's books alone, which days of a service
somebody is asked to pay for.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.month.bookkeeper import Bookkeeper, Rows
from tests.month.calendar_days import days, last_of_month_from
from tests.month.ledger import NOTHING, Contract, Debt, Issued, State
from tests.store.host import Row

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Books:
    """Zoho's, as they are held, and what the host's side says about what it could not do."""

    held: Mapping[str, list[Row]]
    scheduled: Mapping[str, Row]
    """What is to change on a subscription with its next term, by subscription_id."""
    notes: Mapping[UUID, str]
    """Everything that the outbox's entries of a row ever said."""
    reference_by_id: dict[str, str] = field(default_factory=dict, init=False)
    """Of subscriptions."""

    def __post_init__(self) -> None:
        self.reference_by_id.update(
            {record["subscription_id"]: record["reference_id"] for record in self.held["subscriptions"]}
        )


@dataclass
class Findings:
    """What does not agree, and how much was looked at."""

    found: list[str] = field(default_factory=list)
    records: int = 0

    def same(self, what: str, **pairs: tuple[Any, Any]) -> None:
        """Each pair: what Zoho holds, and what it must."""
        for name, (held, due) in pairs.items():
            if held != due:
                self.found.append(f"{what}: {name} is {held} in Zoho and must be {due}")

    def match(self, kind: str, held: Mapping[str, list[Row]], due: Iterable[str]) -> Iterator[tuple[str, Row]]:
        """Each record that is there once and must be; what is missing, doubled or nobody's is found."""
        wanted = set(due)
        self.records += len(wanted | held.keys())
        for key in sorted(wanted | held.keys()):
            records = held.get(key, [])
            if key not in wanted:
                self.found.append(f"{kind} {key} is in Zoho and must not be: {len(records)} record(s)")
            elif len(records) != 1:
                self.found.append(f"{kind} {key} is in Zoho {len(records)} times")
            else:
                yield key, records[0]


def differences(book: Bookkeeper, rows: Rows, books: Books) -> Findings:
    """Record by record."""
    findings = Findings()
    _customers(findings, book, books)
    _subscriptions(findings, book, books)
    _invoices(findings, book, books)
    _payments(findings, book, books)
    _standing(findings, book, rows)
    return findings


def _customers(findings: Findings, book: Bookkeeper, books: Books) -> None:
    due = {str(customer): account for customer, account in book.accounts.items()}
    for key, held in findings.match("customer", _by(books.held["customers"], _external_id), due):
        row = due[key].row
        customer: UUID = row["id"]
        name = row["business_name"] or f"{row['first_name']} {row['last_name']}"
        owes = book.owes(customer)
        findings.same(
            f"customer {row['account_number']}",
            display_name=(held["display_name"], f"{name} [{row['account_number']}]"),
            email=(held["email"], row["email"]),
            phone=(held["phone"], row["phone"]),
            street=(held["billing_address"].get("street", ""), due[key].address),
            outstanding=(_money(held["outstanding_receivable_amount"]), owes),
            credit=(_money(held["unused_credits"]), book.has_paid_too_much(customer)),
            status=(held["status"], _status_of(row, held, book, books)),
        )


def _status_of(row: Row, held: Row, book: Bookkeeper, books: Books) -> str:
    """Cancelled is inactive, without living subscription and balance, or it is said why not (decisions.md)."""
    if row["account_status"] != "cancelled":
        return "active"
    living = any(
        contract.state is not State.CANCELLED and contract.customer == row["id"]
        for contracts in book.contracts.values()
        for contract in contracts
    )
    if living or book.owes(row["id"]) or book.has_paid_too_much(row["id"]):
        return "active"
    told = "stays active in Zoho" in books.notes.get(row["id"], "")
    return "active" if told and held["status"] == "active" else "inactive"


def _subscriptions(findings: Findings, book: Bookkeeper, books: Books) -> None:
    due = {contract.reference: contract for contracts in book.contracts.values() for contract in contracts}
    for key, held in findings.match("subscription", _by(books.held["subscriptions"], _reference), due):
        contract = due[key]
        later = books.scheduled.get(held["subscription_id"])
        to_come = contract.scheduled or (contract.plan, contract.price)
        runs = contract.state in (State.LIVE, State.ENDING)
        month = contract.raised[-1].day if contract.raised else None
        findings.same(
            f"subscription {key}",
            customer=(held["customer_id"], _zoho_customer(books, contract.customer)),
            state=(held["status"], contract.state.value),
            plan=(held["plan_code"], contract.plan),
            price=(_money(held["plan"]["price"]), contract.price),
            costs=(_money(held["amount"]), contract.price),
            begins=(held["activated_at"] or held["next_billing_at"], _begins(contract)),
            month_begins=(held["current_term_starts_at"], month.isoformat() if month else ""),
            month_ends=(held["current_term_ends_at"], contract.bills_next.isoformat() if month else ""),
            bills_next=(
                held["next_billing_at"],
                contract.bills_next.isoformat() if contract.state in (State.FUTURE, State.LIVE) else "",
            ),
            collects=(held["auto_collect"], False),
            external_id=(_external_id(held), str(contract.service)),
        )
        if runs and contract.state is State.LIVE:
            then = held if later is None else later
            findings.same(
                f"subscription {key} from its next month on",
                plan=(then["plan_code"], to_come[0]),
                price=(_money(then["plan"]["price"]), to_come[1]),
            )


def _begins(contract: Contract) -> str:
    """'' for one that was cancelled before it began."""
    return "" if contract.state is State.CANCELLED and not contract.raised else contract.begins.isoformat()


def _invoices(findings: Findings, book: Bookkeeper, books: Books) -> None:
    raised = [record for record in books.held["invoices"] if _raiser(record, books)]
    ours = [record for record in books.held["invoices"] if not _raiser(record, books)]
    due_raised = {
        f"{contract.reference} {debt.day}": debt
        for contracts in book.contracts.values()
        for contract in contracts
        for debt in contract.raised
    }
    key_of_raised = _by(raised, lambda record: f"{_raiser(record, books)} {record['date']}")
    for key, held in findings.match("invoice raised by subscription", key_of_raised, due_raised):
        _debt(findings, f"invoice {held['invoice_number']} of subscription {key}", due_raised[key], held, book, books)
    due_ours = {str(row): issued for row, issued in book.issued.items()}
    for key, held in findings.match("invoice", _by(ours, _external_id), due_ours):
        issued = due_ours[key]
        _debt(findings, f"invoice {issued.number}", issued, held, book, books)
        findings.same(f"invoice {issued.number}", number=(held["invoice_number"], issued.number))
    numbers = Counter(record["invoice_number"] for record in books.held["invoices"])
    findings.found += [
        f"invoice number {number} is in Zoho {count} times" for number, count in numbers.items() if count > 1
    ]


def _debt(findings: Findings, what: str, debt: Debt, held: Row, book: Bookkeeper, books: Books) -> None:
    on_it = {_payment_key(books, paid["payment_id"]): _money(paid["amount"]) for paid in held["payments"]}
    findings.same(
        what,
        customer=(held["customer_id"], _zoho_customer(books, debt.customer)),
        day=(held["date"], debt.day.isoformat()),
        due=(held["due_date"], debt.due.isoformat()),
        total=(_money(held["total"]), debt.total),
        balance=(_money(held["balance"]), debt.balance),
        status=(held["status"], debt.status(book.today)),
        payments=(on_it, {str(payment): applied for payment, applied in debt.applied.items()}),
    )
    slack = CENT * debt.lines if isinstance(debt, Issued) else NOTHING
    if abs(_money(held["tax_total"]) - debt.tax) > slack:
        findings.found.append(f"{what}: tax is {held['tax_total']} in Zoho and must be {debt.tax}")


def _payments(findings: Findings, book: Bookkeeper, books: Books) -> None:
    due = {str(row): receipt for row, receipt in book.receipts.items()}
    refunds: dict[str, Decimal] = defaultdict(lambda: NOTHING)
    for refund in books.held["refunds"]:
        refunds[refund["payment_id"]] += _money(refund["amount"])
    for key, held in findings.match("payment", _by(books.held["payments"], _external_id), due):
        receipt = due[key]
        back = receipt.amount if receipt.refunded else NOTHING
        findings.same(
            f"payment {key}",
            customer=(held["customer_id"], _zoho_customer(books, receipt.customer)),
            reference=(held["reference_number"], key),
            day=(held["date"], receipt.day.isoformat()),
            amount=(_money(held["amount"]), receipt.amount),
            mode=(held["payment_mode"], receipt.mode),
            applied=(
                sorted(_money(each["amount_applied"]) for each in held["invoices"]),
                sorted(book.applied(UUID(key)).values()),
            ),
            refunded=(_money(held["amount_refunded"]), back),
            refunds=(refunds[held["payment_id"]], back),
        )
    findings.records += len(books.held["refunds"])


def _standing(findings: Findings, book: Bookkeeper, rows: Rows) -> None:
    """Whoever is in Zoho as it must be says so, and whoever is not says why not."""
    sent = {*book.accounts, *book.contracts, *book.issued, *book.receipts}
    for table in (rows.customers, rows.services, rows.invoices, rows.payments):
        for row in table.values():
            status, error = row["zoho_sync_status"], row["zoho_last_sync_error"]
            if row["id"] in book.refused:
                if status != "failed" or not error:
                    findings.found.append(f"{_named(row)} says {status} ({error}) and must have failed")
            elif row["id"] in sent and status == "skipped":
                # What was sent once and must not be sent any more (an account that became a test): none in this month.
                findings.found.append(f"{_named(row)} is skipped ({error}) and must be synced")
            elif row["id"] in sent:
                if (status, error) != ("synced", None):
                    findings.found.append(f"{_named(row)} says {status} ({error}) and must be synced")
            elif status not in ("skipped", "pending"):
                findings.found.append(f"{_named(row)} says {status} ({error}) and must not be in Zoho")


def _named(row: Row) -> str:
    for column in ("invoice_number", "transaction_id", "account_number", "package_name"):
        if column in row:
            return f"{column} {row[column]}"
    return str(row["id"])


# Every day once.

_NOBODY = re.compile(r"nobody billed ([0-9-]{10}) to ([0-9-]{10})")
_ALONE = re.compile(r"only the host billed ([0-9-]{10}) to ([0-9-]{10})")
_AGAIN = re.compile(r"billed by Zoho again from ([0-9-]{10})")


@dataclass
class Calendar:
    """Which days of each service who is asked to pay for, by Zoho's books."""

    asked: dict[UUID, Counter[date]] = field(default_factory=lambda: defaultdict(Counter))
    found: list[str] = field(default_factory=list)
    priced_otherwise: list[str] = field(default_factory=list)
    """Months that Zoho billed at another price than the host: a price that was told after Zoho's midnight."""
    named: int = 0
    """Days that nobody bills, and that somebody is told of."""
    before_takeover: int = 0
    """Days of months that the host had billed when Zoho took over; Zoho never hears of them."""


def days_billed_wrongly(book: Bookkeeper, rows: Rows, books: Books) -> Calendar:
    """Days that are billed twice, or by nobody without a word."""
    calendar = Calendar()
    for record in books.held["invoices"]:
        if record["status"] != "void":
            _ask(calendar, record, rows, books)
    for service, active in book.active.items():
        asked = calendar.asked[service]
        if twice := sorted(day for day, times in asked.items() if times > 1):
            calendar.found.append(f"service {service} is billed twice from {twice[0]} to {twice[-1]}")
        unasked = {day for day in active if not asked[day]}
        told = unasked & {*_told(service, active, books), *_silent(rows.services[service], active)}
        before = {day for first, day in _billed_by_host(service, book, rows) if first <= book.taken_over_on}
        calendar.named += len(told)
        calendar.before_takeover += len(before & (unasked - told))
        # Months that the host billed itself later than that, and that Zoho does not bill, are told like all others.
        if missed := sorted(unasked - told - before):
            calendar.found.append(f"service {service}: nobody bills {len(missed)} days, {missed[0]} to {missed[-1]}")
    _compare_prices(calendar, book, rows, books)
    return calendar


def _compare_prices(calendar: Calendar, book: Bookkeeper, rows: Rows, books: Books) -> None:
    raised = {
        (_raiser(record, books).partition("#")[0], record["date"]): _money(record["total"])
        for record in books.held["invoices"]
        if _raiser(record, books) and record["status"] != "void"
    }
    for row in rows.invoices.values():
        if book.is_raised_by_zoho(row) and row["service_id"] is not None:
            by_zoho = raised.get((str(row["service_id"]), _first_day(row).isoformat()))
            if by_zoho is not None and by_zoho != row["total_amount"]:
                if f"at {by_zoho} before it was told of {row['total_amount']}" not in books.notes.get(
                    row["service_id"], ""
                ):
                    calendar.found.append(f"{row['invoice_number']} is priced otherwise by Zoho, and nobody is told")
                calendar.priced_otherwise.append(f"{row['invoice_number']} {row['total_amount']}, by Zoho {by_zoho}")


def _ask(calendar: Calendar, record: Row, rows: Rows, books: Books) -> None:
    if raiser := _raiser(record, books):
        service = raiser.partition("#")[0]
        day = date.fromisoformat(record["date"])
        if service in map(str, rows.services):
            calendar.asked[UUID(service)].update(days(day, last_of_month_from(day)))
        else:
            calendar.found.append(f"invoice {record['invoice_number']} of {day} bills no service that there is")
        return
    row = rows.invoices.get(UUID(_external_id(record) or str(UUID(int=0))))
    if row is not None and row["service_id"] is not None and row["period_end"] is not None:
        calendar.asked[row["service_id"]].update(days(_first_day(row), row["period_end"]))


def _first_day(invoice: Row) -> date:
    """Of what a host's invoice is for."""
    day: date = invoice["period_start"] or invoice["invoice_date"]
    return day


def _told(service: UUID, active: set[date], books: Books) -> Iterator[date]:
    """Days that an entry of the service names as billed by nobody, or by the host alone."""
    note = books.notes.get(service, "")
    for first, last in (*_NOBODY.findall(note), *_ALONE.findall(note)):
        yield from days(date.fromisoformat(first), date.fromisoformat(last))
    for again in _AGAIN.findall(note):
        yield from (day for day in active if day < date.fromisoformat(again))


def _silent(service: Row, active: set[date]) -> Iterator[date]:
    """Days of a service that is not in Zoho and says why: a package is missing or not published. Where the host bills,
    what a service says is no excuse."""
    if service["zoho_last_sync_error"] and service["zoho_sync_status"] not in ("synced", "skipped"):
        yield from active


def _billed_by_host(service: UUID, book: Bookkeeper, rows: Rows) -> Iterator[tuple[date, date]]:
    """Months of recurring invoices that the host raised before the service's first subscription was made: the first day
    of each, with each of its days. What Zoho bills begins after them (decisions.md, Subscriptions)."""
    contracts = book.contracts.get(service, [])
    for row in rows.invoices.values():
        if row["service_id"] == service and book.is_raised_by_zoho(row) and row["status"] not in ("draft", "voided"):
            first = _first_day(row)
            if contracts and first <= contracts[0].made_on and first < contracts[0].begins:
                yield from ((first, day) for day in days(first, row["period_end"]))


# Reading Zoho's records.


def _by(records: Iterable[Row], key: Any) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for record in records:
        found[str(key(record))].append(record)
    return dict(found)


def _external_id(record: Row) -> str | None:
    fields: dict[str, str] = {each["label"]: each["value"] for each in record["custom_fields"]}
    return fields.get("External ID")


def _reference(record: Row) -> str:
    return str(record["reference_id"])


def _raiser(record: Row, books: Books) -> str:
    """The reference of the subscription that raised an invoice; '' where a person or the host did."""
    raiser = record.get("subscription_id") or ""
    return books.reference_by_id.get(raiser, raiser)


def _zoho_customer(books: Books, customer: UUID) -> str | None:
    ids = [record["customer_id"] for record in books.held["customers"] if _external_id(record) == str(customer)]
    return ids[0] if ids else None


def _payment_key(books: Books, payment_id: str) -> str:
    ids = [_external_id(record) or "" for record in books.held["payments"] if record["payment_id"] == payment_id]
    return ids[0] if ids else payment_id


def _money(value: Any) -> Decimal:
    return Decimal(str(value))
