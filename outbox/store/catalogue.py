"""Zoho's catalogues as they were last listed, for all replicas and commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from outbox.database import Database
from outbox.entities.catalogue import CatalogueKind
from outbox.store.statements import statement
from outbox.zoho.json_text import JsonValue


@dataclass(frozen=True)
class StoredCatalogue:
    """Rows of a list of Zoho's, ``age`` in seconds."""

    rows: Sequence[Mapping[str, JsonValue]]
    age: float


@dataclass
class CatalogueStore:
    """Reads and keeps catalogues."""

    database: Database

    async def read(self, kind: CatalogueKind) -> StoredCatalogue | None:
        """The catalogue; None: it was never listed."""
        row = await self.database.row(statement("read_catalogue"), {"kind": kind})
        return None if row is None else StoredCatalogue(row["content"], row["age_seconds"])

    async def store(self, kind: CatalogueKind, rows: Sequence[Mapping[str, JsonValue]]) -> None:
        """Keeps what was just listed."""
        await self.database.execute(statement("store_catalogue"), {"kind": kind, "content": Jsonb(list(rows))})
