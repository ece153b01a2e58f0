"""What a type of record brings to the crash loop: one class each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, LiteralString, Protocol
from uuid import UUID

from outbox.vocabulary import EntityType
from tests.crash.applications import Applications
from tests.crash.stage import Zoho

Row = dict[str, Any]

NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Books:
    """Everything that Zoho holds in the end."""

    collections: Mapping[str, Sequence[Row]]
    """``GET /_simulator/books``."""
    scheduled: Mapping[str, Row]
    """Subscriptions as they will be from their next term on, by id, where a change is scheduled."""
    creates: Mapping[str, Mapping[str, Mapping[str, int]]]
    """How often a record was made, by collection, key and value."""

    def of(self, collection: str, key: str) -> dict[str, list[Row]]:
        """The records of a collection by one of their fields."""
        found: dict[str, list[Row]] = {}
        for record in self.collections[collection]:
            found.setdefault(record[key], []).append(record)
        return found


@dataclass(frozen=True)
class Held:
    """What Zoho must hold for one host row, and where the row must stand."""

    entity_id: UUID
    records: range
    """How many records it may have: exactly one, none, or (not eligible any more) none or one."""
    fields: Mapping[str, Any]
    """Of the record, as :meth:`Workload.shown` gives it; those that are not sent are not here."""
    phase: str | None
    """Of its state row; None: whichever it came to rest in before."""
    status: str | None
    """Of its zoho_sync_status; None: whatever it was before (it waits)."""
    has_error: bool | None
    """Whether zoho_last_sync_error says something; None: whatever it was before."""
    waits_for: frozenset[UUID] = frozenset()
    """What it may wait for: one of these."""

    @classmethod
    def sent(cls, entity_id: UUID, fields: Mapping[str, Any]) -> "Held":
        """In Zoho, as the row says."""
        return cls(entity_id, range(1, 2), fields, "idle", "synced", has_error=False)

    @classmethod
    def skipped(cls, entity_id: UUID, most: int = 1) -> "Held":
        """Not to be sent; ``most``: how many records there may be from before."""
        return cls(entity_id, range(most + 1), {}, "idle", "skipped", has_error=True)

    @classmethod
    def left(cls, entity_id: UUID) -> "Held":
        """Of an account that became internal_test: sending stops, and nothing is touched for that."""
        return cls(entity_id, range(2), {}, None, None, None)

    @classmethod
    def dead(cls, entity_id: UUID, least: int = 0) -> "Held":
        """Needs a person."""
        return cls(entity_id, range(least, 2), {}, "dead", "failed", has_error=True)

    @classmethod
    def waiting(cls, entity_id: UUID, awaited: Iterable[UUID]) -> "Held":
        """For one of ``awaited``."""
        return cls(entity_id, range(2), {}, "waiting", None, has_error=True, waits_for=frozenset(awaited))


@dataclass
class Known:
    """Rows that were thought of, rolled back and deleted ones included: what one type's rows may name of another's."""

    ids: dict[EntityType, list[UUID]] = field(default_factory=lambda: {kind: [] for kind in EntityType})
    promised: dict[EntityType, list[UUID]] = field(default_factory=lambda: {kind: [] for kind in EntityType})
    """Named by a payment already, to be inserted later, or never."""
    tests: list[UUID] = field(default_factory=list)
    """Accounts that are internal_test from birth to the end."""
    packages: list[UUID] = field(default_factory=list)
    owners: dict[UUID, UUID] = field(default_factory=dict)
    """Customers of invoices, those of promised ones included."""
    totals: dict[UUID, Decimal] = field(default_factory=dict)
    """Of invoices, as they were inserted."""
    unsettled: set[UUID] = field(default_factory=set)
    """Invoices of which it cannot be told any more what their payments should come to: they were priced anew, taken
    back from void, deleted."""

    def some(self, kind: EntityType, dice: Random) -> UUID:
        """Mostly one of the last rows: two hands on one row are what this is about."""
        ids = self.ids[kind]
        if not ids:
            return NOBODY
        if dice.random() < 0.6:
            return dice.choice(ids[-30:])
        return dice.choice(ids)

    def new_id(self, kind: EntityType, dice: Random) -> UUID:
        """A new row's id, perhaps one that a payment names already."""
        promised = self.promised[kind]
        if promised and dice.random() < 0.5:
            return promised.pop(dice.randrange(len(promised)))
        return UUID(int=dice.getrandbits(128), version=4)

    def promise(self, kind: EntityType, dice: Random) -> UUID:
        """An id that no row has yet."""
        promised = UUID(int=dice.getrandbits(128), version=4)
        self.promised[kind].append(promised)
        return promised


class Workload(Protocol):
    """One type: what is done to its rows, what Zoho must hold for them in the end, and how to see whether it does."""

    entity_type: EntityType
    collection: str
    """Of the simulator's books."""
    record_id: str
    """Its field with the id."""
    host_table: str
    host_zoho_id: str
    """The host column with the record's id."""
    path: str
    """Of the API; the record's id follows it."""
    made_once: Mapping[str, str]
    """Keys of which no value may be made twice, each with its collection."""

    async def set_up(self, applications: Applications, zoho: Zoho) -> None:
        """What is there before the storm."""
        ...

    async def act(self, applications: Applications, dice: Random) -> None:
        """One act of an application: a few milliseconds, or as long as a slow transaction lasts."""
        ...

    async def settle_down(self, applications: Applications, dice: Random) -> None:
        """The last acts, when the weather is fair again."""
        ...

    async def make_amends(self, applications: Applications) -> None:
        """When all is quiet: has those looked at again that came to rest otherwise by an accident of order, and that
        nothing but a person would look at again. Everything else stays as it came to rest."""
        ...

    def rows_statement(self) -> LiteralString:
        """Reads what :meth:`expected` needs of every row: at least id, the status columns and the Zoho id."""
        ...

    def expected(self, rows: Sequence[Row], books: Books) -> list[Held]:
        """What Zoho must hold, worked out from decisions.md and not by the mapping that is under test.

        ``books`` say what cannot be known from the rows: whether a record was made before its row changed.
        """
        ...

    def amiss(self, rows: Sequence[Row], books: Books) -> Iterable[tuple[UUID | None, str]]:
        """What is wrong beside :meth:`expected`, in rules over several records."""
        ...

    def current(self, records: Sequence[Row]) -> Row | None:
        """The record that counts, of all that carry one row's id; None: they must not be so many."""
        ...

    def shown(self, record: Row, books: Books) -> Mapping[str, Any]:
        """A record of the books by the names that :attr:`Held.fields` uses."""
        ...

    def owner(self, record: Row) -> str | None:
        """The host row's id that a record carries; '' where it carries none, None where it need not."""
        ...


def custom_field(record: Row, label: str) -> str:
    """Of a record of the books; '' where it has none."""
    return next((str(row["value"]) for row in record["custom_fields"] if row["label"] == label), "")
