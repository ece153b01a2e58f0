"""Where the sending of host rows stands, page by page: what ``find`` compares the rows with. Writes nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from outbox.database import Database, Row
from outbox.host_tables import HOST_TABLES
from outbox.store.statements import statement, statement_for_host
from outbox.vocabulary import EntityType, Phase

PAGE_SECONDS = 60.0
"""Bound of all that is read of one page."""

Snapshot = psycopg.AsyncConnection[Row]


@dataclass(frozen=True)
class Captured:
    """An entity's state row, as far as it says whether Zoho holds the row."""

    phase: Phase
    due_at: datetime
    attempts: int
    zoho_id: str | None
    sent_hash: str | None
    sent_at: datetime | None
    fate_unknown_at: datetime | None
    leased_at: datetime | None
    last_error: str | None
    shown_status: str | None
    id_not_written: bool
    """The host row's id column still waits for the id: that it is empty means nothing."""
    waiting_for: str | None


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Snapshot]:
    """A transaction that sees row and state as of one moment: else a row that is sent meanwhile seems to differ.

    One for each page: a long one would hold back vacuum.
    """
    async with database.transaction(seconds=PAGE_SECONDS) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


async def page(connection: Snapshot, entity_type: EntityType, after: UUID | None, size: int) -> list[UUID]:
    """Host rows by primary key, the ``size`` next ones after ``after``."""
    table = HOST_TABLES[entity_type]
    query = statement_for_host("find_page", table.name, table.zoho_id)
    rows = await (await connection.execute(query, {"after": after, "batch": size})).fetchall()
    return [row["id"] for row in rows]


async def captured(connection: Snapshot, entity_type: EntityType, ids: Sequence[UUID]) -> dict[UUID, Captured]:
    """The state of those ``ids`` that were ever captured."""
    parameters = {"ids": list(ids), "entity_type": entity_type}
    rows = await (await connection.execute(statement("find_standing"), parameters)).fetchall()
    return {row.pop("entity_id"): Captured(**{**row, "phase": Phase(row["phase"])}) for row in rows}


async def not_admitted(connection: Snapshot, entity_type: EntityType, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Those of ``ids`` with entries that nobody has admitted yet, and since when."""
    parameters = {"ids": list(ids), "entity_type": entity_type}
    rows = await (await connection.execute(statement("find_not_admitted"), parameters)).fetchall()
    return {row["entity_id"]: row["since"] for row in rows}
