"""The records of one organisation, in memory."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from outbox.simulator.diary import Diary
from outbox.simulator.settings import OrganisationSettings, SimulatorSettings
from outbox.simulator.terms import Course

Record = dict[str, Any]
"""One record as its GET shows it: JSON values, money as int or Decimal, "" for what is absent (sheet 1.7)."""

FIRST_ID = 4_600_000_000_001_000
"""Ids are increasing strings of 15 to 19 digits (sheet 0.12)."""


def folded(value: str) -> str:
    """How values are compared: blanks at the ends and case do not matter (recorded for Books' numbers, sheet
    2.4)."""
    return value.strip().casefold()


class Collection:
    """Records of one kind by id, oldest first, with exact look-up on some fields."""

    def __init__(self, id_field: str, looked_up: tuple[str, ...] = ()) -> None:
        """`looked_up` names text fields for :meth:`having`; a scan would cost a benchmark its meaning."""
        self.id_field = id_field
        self._records: dict[str, Record] = {}
        self._created: dict[str, float] = {}
        self._by_value: dict[str, dict[str, dict[str, None]]] = {name: {} for name in looked_up}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, record_id: str) -> Record | None:
        """The record of that id, if there is one."""
        return self._records.get(record_id)

    def put(self, record: Record, created_at: float | None = None) -> None:
        """Add `record`, or replace the one with its id. `created_at` (epoch seconds) counts on adding
        alone."""
        record_id = record[self.id_field]
        old = self._records.get(record_id)
        if old is not None:
            self._forget_values(record_id, old)
        else:
            self._created[record_id] = 0.0 if created_at is None else created_at
        self._records[record_id] = record
        for name, ids_by_value in self._by_value.items():
            ids_by_value.setdefault(folded(str(record.get(name, ""))), {})[record_id] = None

    def remove(self, record_id: str) -> Record | None:
        """Take a record out; returns it, or None where it was not there."""
        record = self._records.pop(record_id, None)
        if record is not None:
            del self._created[record_id]
            self._forget_values(record_id, record)
        return record

    def having(self, name: str, value: str) -> list[Record]:
        """Records whose `name` equals `value` as :func:`folded` compares."""
        return [self._records[record_id] for record_id in self._by_value[name].get(folded(value), {})]

    def matching(self, wanted: dict[str, str]) -> Iterator[Record]:
        """Records that have every one of the `wanted` values, oldest first; all where nothing is wanted."""
        if not wanted:
            return iter(self)
        found = [{row[self.id_field] for row in self.having(*pair)} for pair in wanted.items()]
        ids = sorted(set.intersection(*found), key=lambda record_id: (len(record_id), record_id))
        return (self._records[record_id] for record_id in ids)

    def listed(self, records: Iterator[Record], created_before: float | None) -> Iterator[Record]:
        """`records` without those that lists do not show yet; None: all of them are shown."""
        if created_before is None:
            return records
        return (record for record in records if self._created[record[self.id_field]] <= created_before)

    def _forget_values(self, record_id: str, record: Record) -> None:
        for name, ids_by_value in self._by_value.items():
            value = folded(str(record.get(name, "")))
            ids = ids_by_value[value]
            del ids[record_id]
            if not ids:
                del ids_by_value[value]


class Books:
    """Everything one organisation holds."""

    def __init__(self, organisation: OrganisationSettings, settings: SimulatorSettings) -> None:
        """Empty books. Raises zoneinfo.ZoneInfoNotFoundError where the organisation's zone does not exist."""
        self.organisation = organisation
        self.settings = settings
        """The live settings: taxes and how money is rounded are read from them at each use."""
        self.zone = ZoneInfo(organisation.time_zone)
        self.currency_id = f"{organisation.organization_id}00097"
        self.customers = Collection("customer_id", ("display_name", "email", "phone"))
        self.products = Collection("product_id")
        self.plans = Collection("plan_code", ("product_id",))
        self.subscriptions = Collection("subscription_id", ("customer_id", "reference_id", "plan_code"))
        self.scheduled_changes = Collection("subscription_id")
        self.activities = Collection("activity_id", ("subscription_id",))
        self.courses: dict[str, Course] = {}
        """Where subscriptions stand in their terms, by id."""
        self.terms_due = Diary()
        """When the present terms of subscriptions end, by id."""
        self.invoices = Collection("invoice_id", ("customer_id", "subscription_id", "invoice_number"))
        self.payments = Collection("payment_id", ("customer_id", "reference_number"))
        self.refunds = Collection("refund_id", ("customer_id", "payment_id"))
        self.transactions = Collection("transaction_id", ("customer_id",))
        self._last_id = FIRST_ID
        self._last_numbers: dict[str, int] = {}

    @property
    def collections(self) -> dict[str, Collection]:
        """Every collection by the name that its list reply has."""
        return {
            "customers": self.customers,
            "products": self.products,
            "plans": self.plans,
            "subscriptions": self.subscriptions,
            "invoices": self.invoices,
            "payments": self.payments,
            "refunds": self.refunds,
            "transactions": self.transactions,
        }

    def next_id(self) -> str:
        """A new id, larger than every one before."""
        self._last_id += 2
        return str(self._last_id)

    def next_number(self, series: str) -> int:
        """The next of Zoho's own numbers in `series`, from 1; numbers do not come back."""
        self._last_numbers[series] = self._last_numbers.get(series, 0) + 1
        return self._last_numbers[series]
