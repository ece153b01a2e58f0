"""The verdict finds each way in which a row can fail to stand as the sample says, and names it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.demo.expected import COLLECTIONS, Expectations, shown
from outbox.demo.feed import HostRow
from outbox.demo.sample import sample
from outbox.demo.sample.days import Days
from outbox.demo.sample.ends import Dead, InvoiceInZoho, Kept, Skipped, Waiting
from outbox.demo.sample.rows import SentRow
from outbox.demo.verdict import Books, differences, money_of
from outbox.vocabulary import EntityType

ROWS = sample(Days(date(2026, 3, 18))).rows()
BY_KEY = {(row.entity_type, row.key): row for row in ROWS}
SYNCED = [row for row in ROWS if not isinstance(row.end, Kept)]
ZOHO_IDS: Mapping[UUID, str | None] = {row.id: f"46000000000{number:05}" for number, row in enumerate(SYNCED)}
STATUS = {Skipped: "skipped", Waiting: "pending", Dead: "failed"}

OF_EACH_TYPE = [
    BY_KEY[EntityType.CUSTOMER, "CT-2025-00005"],
    BY_KEY[EntityType.SUBSCRIPTION, "CT-2025-00002"],
    BY_KEY[EntityType.INVOICE, "INV-2025-00031"],
    BY_KEY[EntityType.PAYMENT, "NC-10005"],
]

Record = dict[str, Any]


def amount(text: str) -> Decimal:
    return Decimal(text)


def record_of(row: SentRow) -> tuple[Record, Record | None]:
    """As Zoho's books show a row that is as it should be, and what is scheduled."""
    wanted = Expectations(ROWS, ZOHO_IDS).of(row)
    fields = [
        {"label": label, "value": wanted[label]} for label in ("External ID", "Account Number") if label in wanted
    ]
    id_field = COLLECTIONS[row.entity_type][1]
    record: Record = {**wanted, "custom_fields": fields, id_field: ZOHO_IDS[row.id]}
    scheduled = None
    match row.entity_type:
        case EntityType.CUSTOMER:
            record["billing_address"] = {
                "street": wanted["billing_address.street"],
                "country": wanted["billing_address.country"],
            }
        case EntityType.SUBSCRIPTION:
            record |= {"amount": amount(wanted["amount"]), "auto_collect": False}
            record["plan"] = {"price": amount(wanted["price"]), "setup_fee": 0}
            scheduled = {"amount": amount(wanted["amount of the next term"])}
        case EntityType.INVOICE:
            record |= {name: amount(wanted[name]) for name in ("total", "balance")}
            record |= {"is_emailed": False, "invoice_items": [{}, {}], "tax_total": getattr(row, "tax_amount", None)}
        case EntityType.PAYMENT:
            record |= {name: amount(wanted[name]) for name in ("amount", "amount_refunded")}
            parts = [part.split(" on ") for part in wanted["applied"].split(", ") if part]
            record["invoices"] = [{"invoice_number": number, "amount_applied": amount(paid)} for paid, number in parts]
    return record, scheduled


@dataclass
class World:
    """Both sides, to be spoiled."""

    host: dict[UUID, HostRow]
    records: dict[EntityType, list[Record]]
    scheduled: dict[str, Record]
    creates: dict[EntityType, dict[str, int]]
    planted: frozenset[str] = frozenset()
    ignored: dict[str, dict[str, int]] = field(default_factory=dict)

    def found(self, rows: Sequence[SentRow] = ROWS) -> list[tuple[str, str]]:
        books = Books(self.records, self.scheduled, self.creates, self.planted, self.ignored)
        return [(difference.key, difference.what) for difference in differences(rows, self.host, books)]

    def record(self, row: SentRow) -> Record:
        id_field = COLLECTIONS[row.entity_type][1]
        (record,) = [each for each in self.records[row.entity_type] if each[id_field] == ZOHO_IDS[row.id]]
        return record


@pytest.fixture
def world() -> World:
    """Where every row stands as the sample says."""
    world = World({}, {kind: [] for kind in EntityType}, {}, {kind: {} for kind in EntityType})
    for row in ROWS:
        if isinstance(row.end, Kept):
            world.host[row.id] = HostRow(row.id, None, STATUS[type(row.end)], None, f"… {row.end.because} …", 0)
            continue
        zoho_id = ZOHO_IDS[row.id]
        world.host[row.id] = HostRow(row.id, zoho_id, "synced", datetime(2026, 3, 18, tzinfo=UTC), None, 1)
        record, scheduled = deepcopy(record_of(row))
        world.records[row.entity_type].append(record)
        if scheduled is not None and zoho_id is not None:
            world.scheduled[zoho_id] = scheduled
        if row.end.created:
            world.creates[row.entity_type][str(row.id)] = row.end.created
    return world


def test_rows_that_zoho_holds_as_the_sample_says_have_no_difference(world: World) -> None:
    assert world.found() == []


def spoiled_fields() -> Iterator[Any]:
    for row in OF_EACH_TYPE:
        record, scheduled = record_of(row)
        for name in shown(row.entity_type, record, scheduled):
            yield pytest.param(row, name, id=f"{row.entity_type} {name}")


def spoil(world: World, row: SentRow, name: str) -> None:
    """Makes one field of the record another."""
    record = world.record(row)
    match name.split("."):
        case ["billing_address", part]:
            record["billing_address"][part] += "x"
        case ["External ID" | "Account Number"]:
            record["custom_fields"] = [field for field in record["custom_fields"] if field["label"] != name]
        case ["price" | "setup_fee"]:
            record["plan"][name] += Decimal("0.01")
        case ["amount of the next term"]:
            world.scheduled[record["subscription_id"]]["amount"] += Decimal("0.01")
        case ["applied"]:
            record["invoices"][0]["amount_applied"] -= Decimal("0.01")
        case _ if isinstance(record[name], Decimal):
            record[name] += Decimal("0.01")
        case _ if isinstance(record[name], bool):
            record[name] = not record[name]
        case _:
            record[name] += "x"


@pytest.mark.parametrize(("row", "name"), [*spoiled_fields()])
def test_each_field_that_differs_in_zoho_is_named_money_to_the_cent(world: World, row: SentRow, name: str) -> None:
    spoil(world, row, name)
    assert [(key, what.partition(" in Zoho is")[0]) for key, what in world.found()] == [(row.key, name)]


def test_a_tax_that_is_more_than_a_cent_a_line_off_is_named(world: World) -> None:
    row = BY_KEY[EntityType.INVOICE, "INV-2025-00031"]
    world.record(row)["tax_total"] += Decimal("0.02")
    assert world.found() == []
    world.record(row)["tax_total"] += Decimal("0.01")
    assert world.found() == [(row.key, "the tax in Zoho is 450.03, should be 450.00")]


def test_a_tax_on_what_bears_none_is_named(world: World) -> None:
    row = BY_KEY[EntityType.INVOICE, "INV-2025-00035"]
    world.record(row)["tax_total"] += Decimal("0.01")
    assert world.found() == [(row.key, "the tax in Zoho is 0.01, should be 0.00")]


@pytest.mark.parametrize("row", OF_EACH_TYPE, ids=lambda row: row.entity_type)
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"status": "failed", "error": "refused"}, "zoho_sync_status is failed, not synced: refused"),
        ({"logged": 0}, "zoho_sync_logs has 0 successful attempts"),
        ({"synced_at": None}, "zoho_last_synced_at None"),
        ({"error": "left over"}, "'left over'"),
    ],
)
def test_what_the_host_row_does_not_show_is_named(
    world: World, row: SentRow, changed: dict[str, Any], named: str
) -> None:
    world.host[row.id] = replace(world.host[row.id], **changed)
    ((key, what),) = world.found()
    assert key == row.key
    assert named in what


def test_a_zoho_id_that_was_not_written_back_is_named(world: World) -> None:
    row = BY_KEY[EntityType.PAYMENT, "NC-10005"]
    world.host[row.id] = replace(world.host[row.id], zoho_id=None)
    assert (row.key, f"the Zoho id in the row is None, Zoho has it under {ZOHO_IDS[row.id]}") in world.found()


@pytest.mark.parametrize("row", OF_EACH_TYPE, ids=lambda row: row.entity_type)
def test_a_row_created_once_more_than_declared_is_named_even_where_one_record_is_gone(
    world: World, row: SentRow
) -> None:
    creates = world.creates[row.entity_type]
    creates[str(row.id)] = creates.get(str(row.id), 0) + 1
    ((key, what),) = world.found()
    assert key == row.key
    assert "Zoho was made to create it" in what


@pytest.mark.parametrize("row", OF_EACH_TYPE, ids=lambda row: row.entity_type)
def test_two_records_of_one_row_are_named(world: World, row: SentRow) -> None:
    id_field = COLLECTIONS[row.entity_type][1]
    world.records[row.entity_type].append({**world.record(row), id_field: "4600000000099999"})
    assert (row.key, f"Zoho has 2 {COLLECTIONS[row.entity_type][0]} of this row, not 1") in world.found()


@pytest.mark.parametrize("row", OF_EACH_TYPE, ids=lambda row: row.entity_type)
def test_a_record_that_zoho_does_not_have_is_named(world: World, row: SentRow) -> None:
    world.records[row.entity_type].remove(world.record(row))
    assert (row.key, f"Zoho has 0 {COLLECTIONS[row.entity_type][0]} of this row, not 1") in world.found()


def test_a_row_that_the_host_does_not_have_is_named(world: World) -> None:
    row = BY_KEY[EntityType.INVOICE, "INV-2025-00043"]
    del world.host[row.id]
    assert world.found() == [(row.key, "is not in customer_invoices")]


KEPT_ROWS = [
    BY_KEY[EntityType.CUSTOMER, "CT-TEST-00001"],
    BY_KEY[EntityType.SUBSCRIPTION, "CT-2025-00024"],
    BY_KEY[EntityType.INVOICE, "INV-2025-00045"],
    BY_KEY[EntityType.PAYMENT, "NC-10013"],
]


@pytest.mark.parametrize("row", KEPT_ROWS, ids=lambda row: f"{type(row.end).__name__} {row.entity_type}")
def test_a_row_that_stays_out_does_so_for_the_declared_reason(world: World, row: SentRow) -> None:
    here = world.host[row.id]
    spoilers: tuple[tuple[Callable[[], HostRow], str], ...] = (
        (lambda: replace(here, status="synced"), "zoho_sync_status is synced"),
        (lambda: replace(here, error="for no reason"), 'because of "for no reason"'),
        (lambda: replace(here, zoho_id="4600000000099999"), "is in Zoho, and should not be"),
    )
    for spoiled, named in spoilers:
        world.host[row.id] = spoiled()
        ((key, what),) = world.found()
        assert key == row.key
        assert named.replace("because of", "waiting for" if isinstance(row.end, Waiting) else "because of") in what


def test_a_record_that_no_row_explains_is_named_unless_it_was_there_before(world: World) -> None:
    stray = {**world.record(BY_KEY[EntityType.INVOICE, "INV-2025-00031"]), "custom_fields": []}
    stray |= {"invoice_id": "4600000000099999", "invoice_number": "INV-000002"}
    world.records[EntityType.INVOICE].append(stray)
    assert world.found() == [("4600000000099999", "is in Zoho, and no row of the sample made it")]
    world.planted = frozenset({"4600000000099999"})
    assert world.found() == []


def test_a_key_that_zoho_ignored_is_named(world: World) -> None:
    world.ignored = {"POST /invoices": {"invoice_items.rate": 3}}
    assert world.found() == [("POST /invoices", "Zoho does not know the keys invoice_items.rate")]


def test_rows_beyond_the_sample_do_not_count(world: World) -> None:
    row = BY_KEY[EntityType.PAYMENT, "NC-10009"]
    rest = [each for each in ROWS if each is not row]
    assert world.found(rest) == []


def test_the_money_is_that_of_the_rows_in_zoho() -> None:
    money = money_of([row for row in ROWS if row.account == "CT-2025-00008"])
    assert (money.invoices, money.invoiced) == (2, Decimal("3566.59"))
    assert (money.payments, money.paid) == (2, Decimal("4000.00"))
    void = [row for row in ROWS if isinstance(row.end, InvoiceInZoho) and row.end.status == "void"]
    assert void
    assert money_of(void).invoices == 0
