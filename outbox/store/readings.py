"""What commands read of the outbox: standing, history, who holds what. Writes nothing.

A role that may not read a host table (an operator, unless migrate granted it) gets :data:`UNREADABLE` in place of what
stands there, so that the rest of a screen is shown all the same.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg

from outbox.database import Database, Row
from outbox.store.statements import statement
from outbox.vocabulary import EntityType

LONG_SECONDS = 60.0
"""Bound of a statement that goes through a whole table."""

MOST_ENTRIES = 20
MOST_ATTEMPTS = 50


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
        return str((await self._one("SELECT session_user::text AS role"))["role"])

    async def standing(self) -> list[Row]:
        """Rows: entity_type, standing, entities."""
        return await self._database.rows(statement("status_entities"), seconds=LONG_SECONDS)

    async def eligible_customers(self) -> Row | Unreadable:
        """eligible, in_zoho."""
        rows = await self._host_rows("status_customers", None, seconds=LONG_SECONDS)
        return rows if isinstance(rows, Unreadable) else rows[0]

    async def backlog(self) -> list[Row]:
        """Rows: entity_type, status, entries, oldest, oldest_seconds."""
        return await self._database.rows(statement("status_backlog"), seconds=LONG_SECONDS)

    async def budget(self, time_zone: str) -> Row:
        """day, requests, by_urgency (by number), seconds_ahead, in_flight, tokens_minted."""
        return await self._one(statement("status_budget"), {"time_zone": time_zone})

    async def installation(self) -> Row:
        """Which database this is, beside which one was stored."""
        return await self._one(statement("status_installation"))

    async def sessions(self) -> list[Row]:
        """Processes that send, daemons first."""
        return await self._database.rows(statement("status_sessions"))

    async def leases(self) -> list[Row]:
        """Entities that are being sent, longest first."""
        return await self._database.rows(statement("status_leases"))

    async def account_numbers(self, ids: Sequence[UUID]) -> dict[UUID, str] | Unreadable:
        """Account numbers of those ``ids`` that are customers and have one."""
        rows = await self._host_rows("name_customers", {"ids": list(ids)})
        if isinstance(rows, Unreadable):
            return rows
        return {row["id"]: row["account_number"] for row in rows if row["account_number"]}

    async def customer_by_account_number(self, account_number: str) -> UUID | Unreadable | None:
        """The customer's id; None: there is no such account number."""
        rows = await self._host_rows("find_customer", {"account_number": account_number})
        if isinstance(rows, Unreadable):
            return rows
        return rows[0]["id"] if rows else None

    async def host_row(self, entity_type: EntityType, entity_id: UUID) -> Row | Unreadable | None:
        """known_as, zoho_id, sync_status, last_synced_at, last_sync_error, ineligible; None: there is no such row."""
        rows = await self._host_rows(_HOST_ROWS[entity_type], {"entity_id": entity_id})
        if isinstance(rows, Unreadable):
            return rows
        return rows[0] if rows else None

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
        return await self._one(statement("explain_open_entries"), {"entity_type": entity_type, "entity_id": entity_id})

    async def entries(self, entity_type: EntityType, entity_id: UUID) -> list[Row]:
        """The newest entries, newest first."""
        return await self._database.rows(
            statement("explain_entries"),
            {"entity_type": entity_type, "entity_id": entity_id, "limit": MOST_ENTRIES},
        )

    async def attempts(self, entity_type: EntityType, entity_id: UUID) -> list[Row]:
        """The newest attempts, newest first."""
        return await self._database.rows(
            statement("explain_attempts"),
            {"entity_type": entity_type, "entity_id": entity_id, "limit": MOST_ATTEMPTS},
        )

    async def _one(self, query: Any, parameters: dict[str, Any] | None = None) -> Row:
        row = await self._database.row(query, parameters)
        if row is None:
            raise LookupError("zoho_outbox_private lacks its single rows; run zoho-outbox migrate")
        return row

    async def _host_rows(
        self, name: str, parameters: dict[str, Any] | None, *, seconds: float = 10.0
    ) -> list[Row] | Unreadable:
        try:
            return await self._database.rows(statement(name), parameters, seconds=seconds)
        except psycopg.errors.InsufficientPrivilege:
            return UNREADABLE


_HOST_ROWS = {EntityType.CUSTOMER: "explain_customer"}
"""By type, the statement that reads a host row without personal data."""
