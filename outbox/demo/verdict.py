"""Whether each row of the sample stands where the sample says, by Zoho's books and not only by our own records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never
from uuid import UUID

from outbox.demo.expected import COLLECTIONS, EXTERNAL_ID, Expectations, Record, money, shown
from outbox.demo.feed import HostRow
from outbox.demo.sample.ends import (
    CustomerInZoho,
    Dead,
    InvoiceInZoho,
    Kept,
    PaymentInZoho,
    Skipped,
    SubscriptionInZoho,
    Waiting,
)
from outbox.demo.sample.rows import Invoice, Payment, SentRow
from outbox.vocabulary import EntityType

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Books:
    """What the simulator says: its records, and what its statistics count."""

    records: Mapping[EntityType, Sequence[Record]]
    scheduled: Mapping[str, Record]
    """What subscriptions are to be from their next term on, by their id."""
    creates: Mapping[EntityType, Mapping[str, int]]
    """Creates that were carried out, by External ID."""
    planted: frozenset[str]
    """Ids of the records that were there before."""
    ignored: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Keys that Zoho was sent and does not know, by route."""


@dataclass(frozen=True)
class Difference:
    """A row that does not stand as the sample says, and in what."""

    key: str
    name: str
    what: str


@dataclass(frozen=True)
class Money:
    """Sums over the sample's rows that stand in Zoho. ZAR."""

    invoices: int
    invoiced: Decimal
    """Without those that are void."""
    payments: int
    paid: Decimal


def differences(rows: Sequence[SentRow], host: Mapping[UUID, HostRow], books: Books) -> list[Difference]:
    """Every difference; empty where each row stands as its ``end`` says. Rows beyond the sample do not count."""
    expectations = Expectations(rows, {id_: row.zoho_id for id_, row in host.items()})
    found: list[Difference] = []
    for row in rows:
        here = host.get(row.id)
        complaints = [f"is not in {row.table}"] if here is None else _complaints(row, here, books, expectations)
        found.extend(Difference(row.key, row.name, complaint) for complaint in complaints)
    found.extend(_strays(rows, host, books))
    # Zoho says nothing where it ignores a key: so prices and custom fields were lost before (lessons, 6 and 7).
    for route, keys in books.ignored.items():
        found.append(Difference(route, "request", f"Zoho does not know the keys {', '.join(sorted(keys))}"))
    return found


def money_of(rows: Sequence[SentRow]) -> Money:
    """The sums as the host has them. Zoho's are the same where there is no difference."""
    invoiced = [
        row.total_amount
        for row in rows
        if isinstance(row, Invoice) and isinstance(row.end, InvoiceInZoho) and row.end.status != "void"
    ]
    paid = [row.amount for row in rows if isinstance(row, Payment) and isinstance(row.end, PaymentInZoho)]
    return Money(len(invoiced), sum(invoiced, Decimal(0)), len(paid), sum(paid, Decimal(0)))


def _complaints(row: SentRow, here: HostRow, books: Books, expectations: Expectations) -> Iterator[str]:
    match row.end:
        case CustomerInZoho() | SubscriptionInZoho() | InvoiceInZoho() | PaymentInZoho():
            yield from _not_synced(row, here, books, expectations, created=row.end.created)
        case Skipped() | Waiting() | Dead():
            yield from _not_kept(row, here, books, row.end)
        case _:
            assert_never(row.end)


def _not_synced(
    row: SentRow, here: HostRow, books: Books, expectations: Expectations, *, created: int
) -> Iterator[str]:
    if here.status != "synced":
        yield f"zoho_sync_status is {here.status}, not synced: {here.error or 'no reason given'}"
    elif here.error is not None or here.synced_at is None or here.logged == 0:
        yield (
            f"synced, but zoho_last_sync_error is {here.error!r}, zoho_last_synced_at {here.synced_at}, "
            f"and zoho_sync_logs has {here.logged} successful attempts"
        )
    kind, id_field = COLLECTIONS[row.entity_type]
    records = _records_of(row, here, books)
    if len(records) != 1:
        yield f"Zoho has {len(records)} {kind} of this row, not 1"
    if (creates := books.creates[row.entity_type].get(str(row.id), 0)) != created:
        yield f"Zoho was made to create it {creates} times, not {_times(created)}"
    wanted = expectations.of(row)
    for record in records:
        if record[id_field] != here.zoho_id:
            yield f"the Zoho id in the row is {here.zoho_id}, Zoho has it under {record[id_field]}"
        held = shown(row.entity_type, record, books.scheduled.get(record[id_field]))
        for name, value in wanted.items():
            if held[name] != value:
                yield f'{name} in Zoho is "{held[name]}", should be "{value}"'
        if isinstance(row, Invoice):
            yield from _tax_complaints(row, record)


def _tax_complaints(invoice: Invoice, record: Record) -> Iterator[str]:
    """Zoho rounds the tax of each line: a cent for each may lie between."""
    slack = CENT * len(record["invoice_items"]) if invoice.tax_amount else Decimal(0)
    tax = Decimal(record["tax_total"])
    if abs(tax - invoice.tax_amount) > slack:
        yield f"the tax in Zoho is {money(tax)}, should be {money(invoice.tax_amount)}"


def _not_kept(row: SentRow, here: HostRow, books: Books, end: Kept) -> Iterator[str]:
    match end:
        case Skipped():
            status, words = "skipped", "skipped because of"
        case Waiting():
            # The daemon never writes 'pending': it is what the row was born with.
            status, words = "pending", "waiting for"
        case Dead():
            status, words = "failed", "failed because of"
        case _:
            assert_never(end)
    if here.status != status:
        yield f"zoho_sync_status is {here.status}, not {status}: {here.error or 'no reason given'}"
    elif end.because not in (here.error or ""):
        yield f'{words} "{here.error}", expected "{end.because}"'
    if here.zoho_id is not None or _records_of(row, here, books):
        yield "is in Zoho, and should not be"


def _strays(rows: Iterable[SentRow], host: Mapping[UUID, HostRow], books: Books) -> Iterator[Difference]:
    """Records that nobody's External ID explains: made without a mark, or by a row that is not to be in Zoho."""
    ours = {row.id for row in rows}
    known = books.planted | {here.zoho_id for id_, here in host.items() if id_ in ours}
    for entity_type, records in books.records.items():
        kind, id_field = COLLECTIONS[entity_type]
        for record in records:
            if record[id_field] not in known and not shown(entity_type, record)[EXTERNAL_ID]:
                yield Difference(record[id_field], kind, "is in Zoho, and no row of the sample made it")


def _records_of(row: SentRow, here: HostRow, books: Books) -> list[Record]:
    """Whatever in the books could be this row: by Zoho id, or by any mark that we leave on a record."""
    _, id_field = COLLECTIONS[row.entity_type]
    marks = {str(row.id), row.key}
    return [
        record
        for record in books.records[row.entity_type]
        if record[id_field] == here.zoho_id or not marks.isdisjoint(_marks_on(row.entity_type, record))
    ]


def _marks_on(entity_type: EntityType, record: Record) -> Iterator[str]:
    yield from (str(field["value"]) for field in record["custom_fields"])
    match entity_type:
        case EntityType.CUSTOMER:
            yield record["display_name"].rpartition("[")[2].rstrip("]")
        case EntityType.SUBSCRIPTION:
            yield record["reference_id"].partition("#")[0]
        case EntityType.INVOICE:
            yield record["invoice_number"]
        case EntityType.PAYMENT:
            yield record["reference_number"]
        case _:
            assert_never(entity_type)


def _times(count: int) -> str:
    return "once" if count == 1 else "at all" if count == 0 else f"{count} times"
