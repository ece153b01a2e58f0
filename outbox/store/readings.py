"""What commands read of the outbox: standing, history, who holds what. Writes nothing.

A role that may not read a host table (an operator, unless migrate granted it) gets :data:`UNREADABLE` in place of what
stands there, so that the rest of a screen is shown all the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from outbox.database import Database, Row
from outbox.host_tables import HOST_TABLES
from outbox.store.statements import statement, statement_by_name
from outbox.vocabulary import EntityType

LONG_SECONDS = 60.0
"""Bound of a statement that goes through a whole table."""

MOST_ENTRIES = 20


class Unreadable:
    """The role may not read the host's table."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = Unreadable()


class Readings:
    """Read-only statements, one method each. All raise :class:`outbox.database.DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def role(self) -> str:
        """The role that the session was opened with."""
        return str((await self._database.only_row("SELECT session_user::text AS role"))["role"])

    async def standing(self) -> list[Row]:
        """Rows: entity_type, standing, entities."""
        return await self._database.rows(statement("status_entities"), seconds=LONG_SECONDS)

    async def eligible(self, entity_type: EntityType, *, recurring_billing: str, on_suspend: str) -> Row | Unreadable:
        """eligible, in_zoho: rows of the type that are to be in Zoho, and those that are.

        The two parameters as the settings of their names.
        """
        name = f"status_eligible_{entity_type}"
        parameters = {"recurring_billing": recurring_billing, "on_suspend": on_suspend}
        try:
            rows = await self._host_rows(statement(name), parameters, seconds=LONG_SECONDS)
        except psycopg.errors.UndefinedColumn:  # A host of November 2025.
            rows = await self._host_rows(statement(name, "newer columns"), parameters, seconds=LONG_SECONDS)
        return rows if isinstance(rows, Unreadable) else rows[0]

    async def billed_services(self) -> list[Row]:
        """Services that are paid by the month; subscription_id where Zoho bills them."""
        return await self._database.rows(statement("billed_services"), seconds=LONG_SECONDS)

    async def recurring_invoices(self) -> list[Row]:
        """The host's recurring invoices that were issued; subscription_id of the service that each is for."""
        try:
            return await self._database.rows(statement("recurring_invoices"), seconds=LONG_SECONDS)
        except psycopg.errors.UndefinedColumn:  # A host of November 2025.
            query = statement("recurring_invoices", "newer columns")
            return await self._database.rows(query, seconds=LONG_SECONDS)

    async def backlog(self) -> list[Row]:
        """Rows: entity_type, status, entries, oldest, oldest_seconds."""
        return await self._database.rows(statement("status_backlog"), seconds=LONG_SECONDS)

    async def budget(self, time_zone: str) -> Row:
        """day, requests, by_urgency (by number), seconds_ahead, in_flight, tokens_minted."""
        return await self._database.only_row(statement("status_budget"), {"time_zone": time_zone})

    async def installation(self) -> Row:
        """Which database this is, beside which one was stored."""
        return await self._database.only_row(statement("status_installation"))

    async def sessions(self) -> list[Row]:
        """Processes that send, 50 at most: those that live first, daemons before commands."""
        return await self._database.rows(statement("status_sessions"))

    async def a_daemon_runs(self) -> bool:
        """Whether one was heard of within the last minute."""
        return bool((await self._database.only_row(statement("a_daemon_runs")))["runs"])

    async def leases(self) -> list[Row]:
        """Entities that are being sent, longest first."""
        return await self._database.rows(statement("status_leases"))

    async def names(self, entity_type: EntityType, ids: Sequence[UUID]) -> dict[UUID, str] | Unreadable:
        """What people call those ``ids``, as far as they have a name."""
        table = HOST_TABLES[entity_type]
        query = statement_by_name("name_rows", table.name, table.zoho_id, table.known_by)
        rows = await self._host_rows(query, {"ids": list(ids)})
        if isinstance(rows, Unreadable):
            return rows
        return {row["id"]: row["known_as"] for row in rows if row["known_as"]}

    async def known_as(self, entity_type: EntityType, column: str, known_as: str) -> list[UUID] | Unreadable:
        """The rows that have it in ``column``: none, one, or two of several."""
        table = HOST_TABLES[entity_type]
        query = statement_by_name("identify_row", table.name, table.zoho_id, column)
        rows = await self._host_rows(query, {"known_as": known_as})
        return rows if isinstance(rows, Unreadable) else [row["id"] for row in rows]

    async def state(self, entity_type: EntityType, entity_id: UUID, *, with_keys: bool = False) -> Row | None:
        """The entity's state row, with its holder.

        ``with_keys``: with what earlier creates were sent under; that holds e-mail addresses, and only the daemon's
        role may read it.
        """
        return await self._database.row(
            statement("explain_state", *(() if with_keys else ("e mail addresses",))),
            {"entity_type": entity_type, "entity_id": entity_id},
        )

    async def open_entries(self, entity_type: EntityType, entity_id: UUID) -> Row:
        """What the unfinished entries ask for together; ``entries`` 0: there is none."""
        return await self._database.only_row(
            statement("explain_open_entries"), {"entity_type": entity_type, "entity_id": entity_id}
        )

    async def entries(self, entity_type: EntityType, entity_id: UUID) -> list[Row]:
        """The newest entries, newest first."""
        return await self._database.rows(
            statement("explain_entries"),
            {"entity_type": entity_type, "entity_id": entity_id, "limit": MOST_ENTRIES},
        )

    async def explained(self, entity_type: EntityType, entity_id: UUID) -> dict[str, Any]:
        """As ``zoho_explain`` says. Raises ``psycopg.errors.NoDataFound`` for a row that nobody knows."""
        row = await self._database.only_row(
            statement("explain"), {"entity_type": str(entity_type), "entity_id": entity_id}
        )
        told: dict[str, Any] = row["told"]
        return told

    async def _host_rows(
        self, query: LiteralString | sql.Composed, parameters: Mapping[str, Any], *, seconds: float = 10.0
    ) -> list[Row] | Unreadable:
        try:
            return await self._database.rows(query, parameters, seconds=seconds)
        except psycopg.errors.InsufficientPrivilege:
            return UNREADABLE
