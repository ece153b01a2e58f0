"""What a type of record brings to the crash loop. Three more join by writing one class each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, LiteralString, Protocol
from uuid import UUID

from outbox.vocabulary import EntityType
from tests.crash.applications import Applications

Row = dict[str, Any]
Books = Mapping[str, Any]
"""``GET /_simulator/books``."""


@dataclass(frozen=True)
class Held:
    """What Zoho must hold for one host row."""

    entity_id: UUID
    records: range
    """How many records it may have: exactly one, none, or (not eligible any more) none or one."""
    fields: Mapping[str, Any]
    """Of the record, as :meth:`Workload.shown` gives it; those that are not sent are not here."""
    phase: str
    """Of its state row."""
    status: str
    """Of its zoho_sync_status."""
    has_error: bool
    """Whether zoho_last_sync_error says something."""


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

    async def act(self, applications: Applications, dice: Random) -> None:
        """One act of an application: a few milliseconds, or as long as a slow transaction lasts."""
        ...

    async def settle_down(self, applications: Applications, dice: Random) -> None:
        """The last acts, when the weather is fair again."""
        ...

    def rows_statement(self) -> LiteralString:
        """Reads what :meth:`expected` needs of every row: at least id, the status columns and the Zoho id."""
        ...

    def expected(self, rows: Sequence[Row]) -> list[Held]:
        """What Zoho must hold, worked out from decisions.md and not by the mapping that is under test."""
        ...

    def shown(self, record: Row) -> Mapping[str, Any]:
        """A record of the books by the names that :attr:`Held.fields` uses."""
        ...

    def owner(self, record: Row) -> str:
        """The host row's id that a record carries; '' where it carries none."""
        ...
