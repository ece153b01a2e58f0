"""The records of one organisation, in memory."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from outbox.simulator.settings import OrganisationSettings

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

    def __init__(self, organisation: OrganisationSettings) -> None:
        """Empty books. Raises zoneinfo.ZoneInfoNotFoundError where the organisation's zone does not exist."""
        self.organisation = organisation
        self.zone = ZoneInfo(organisation.time_zone)
        self.currency_id = f"{organisation.organization_id}00097"
        self.customers = Collection("customer_id", ("display_name", "email", "phone"))
        self.subscriptions = Collection("subscription_id", ("customer_id", "reference_id"))
        self.transactions = Collection("transaction_id", ("customer_id",))
        self._last_id = FIRST_ID

    @property
    def collections(self) -> dict[str, Collection]:
        """Every collection by the name that its list reply has."""
        return {
            "customers": self.customers,
            "subscriptions": self.subscriptions,
            "transactions": self.transactions,
        }

    def next_id(self) -> str:
        """A new id, larger than every one before."""
        self._last_id += 2
        return str(self._last_id)
