"""What ``backfill --undo`` reads and writes, and how it may ask Zoho while everybody else may not.

The pause stands while the undo works: it is what keeps daemons and commands from sending the same rows. So the undo
needs permits that pass it. :class:`PastThePause` hides the pause within the transaction that takes a permit, from
nobody but itself: its row is locked, set, and set back before the commit. Rejected: a kind of permit that every asker
could name (one wrong argument, and a daemon sends in a pause); an undo without a pause, with daemons switched off
(another replica, or whoever types ``sync``, does not know). A pause that a person ends stops the undo at its next
request.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from outbox.database import Database, DatabaseUnavailable
from outbox.database.access import DEADLINE_SECONDS, Connection
from outbox.host_tables import HOST_TABLES
from outbox.settings import Settings
from outbox.store.budget import SharedBudget
from outbox.store.readings import LONG_SECONDS
from outbox.store.statements import statement, statement_by_name, statement_for_host
from outbox.vocabulary import ZOHO_MODULES, EntityType, OrganisationState, Urgency
from outbox.zoho.failures import Failure
from outbox.zoho.ports import SendingStopped


@dataclass(frozen=True)
class TakenUp:
    """A row that a backfill took up; see ``undo_plan.sql``."""

    entity_type: EntityType
    entity_id: UUID
    known_as: str | None
    has_row: bool
    host_zoho_id: str | None
    zoho_id: str | None
    phase: str | None
    """None: it has no state row."""
    born_here: bool
    intents: int
    created_since: bool
    """The last create left after the backfill began."""
    fate_unknown: bool
    sent_at: datetime | None
    """When it was last brought up to date."""
    since: datetime
    """The first entry of a backfill for it."""
    named_by_backfill: bool
    """False: a row that the backfill named needed it."""
    id_set: bool
    """Its id was set by hand."""
    says_adopted: bool
    may_be_anothers: bool
    """It was adopted, and not to settle a create of ours whose fate was unknown."""
    is_open: bool
    other_is_open: bool
    """An entry that is not the backfill's is open, too."""


@dataclass(frozen=True)
class Who:
    """Who undoes, and the pause. ``paused_at`` None: sending is not paused."""

    who: str
    paused_at: datetime | None
    paused_by: str | None
    paused_why: str | None


@dataclass(frozen=True)
class Work:
    """What a record cost: the write that mattered, requests and milliseconds."""

    method: str
    path: str
    milliseconds: int
    requests: int

    @property
    def payload(self) -> dict[str, Any]:
        """As ``zoho_sync_logs`` holds a request."""
        return {"method": self.method, "path": self.path}


@dataclass(frozen=True)
class Forgetting:
    """A row that is to forget its record. ``said``: what its error column and the log say; no log row without work."""

    entity_id: UUID
    zoho_id: str | None
    said: str
    work: Work | None = None


class UndoStore:
    """The statements. All raise ``DatabaseUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def taken_up(self, entity_type: EntityType) -> list[TakenUp]:
        """Rows of a type that a backfill took up, by name."""
        table = HOST_TABLES[entity_type]
        rows = await self._database.rows(
            statement_by_name("undo_plan", table.name, table.zoho_id, table.known_by),
            {"entity_type": entity_type, "backfill": int(Urgency.BACKFILL)},
            seconds=LONG_SECONDS,
        )
        return [TakenUp(entity_type, **row) for row in rows]

    async def who(self) -> Who:
        """Of this session."""
        row = await self._database.row(statement("undo_who"))
        if row is None:
            raise DatabaseUnavailable("zoho_outbox_private.organisation is empty; run zoho-outbox migrate")
        return Who(**row)

    async def with_children(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of ``ids`` on which something hangs that is still known to be in Zoho."""
        parameters = {"ids": list(ids)}
        try:
            rows = await self._database.rows(statement("undo_children"), parameters)
        except psycopg.errors.UndefinedColumn:  # A host of November 2025.
            rows = await self._database.rows(statement("undo_children", "newer columns"), parameters)
        return {row["parent_id"] for row in rows}

    async def lists_out_of_use(self, entity_types: Sequence[EntityType]) -> None:
        """Before the first record goes."""
        await self._database.execute(statement("undo_lists"), {"entity_types": list(entity_types)})

    async def forget(self, entity_type: EntityType, rows: Sequence[Forgetting]) -> set[UUID]:
        """Makes rows forget; returns which did. The others are held by somebody at this moment."""
        table = HOST_TABLES[entity_type]
        records = [
            {
                "entity_id": str(row.entity_id),
                "zoho_id": row.zoho_id,
                "said": row.said,
                "log": None
                if row.work is None
                else {
                    "zoho_entity_type": ZOHO_MODULES[entity_type],
                    "request_payload": row.work.payload,
                    "duration_ms": row.work.milliseconds,
                    "api_calls": row.work.requests,
                },
            }
            for row in rows
        ]
        forgotten = await self._database.rows(
            statement_for_host("undo_forget", table.name, table.zoho_id),
            {"records": Jsonb(records), "entity_type": entity_type},
        )
        return {row["entity_id"] for row in forgotten}

    async def refused(self, entity_type: EntityType, tried: Forgetting, failure: Failure) -> None:
        """Logs what Zoho refused."""
        work = tried.work
        parameters: Mapping[str, Any] = {
            "entity_type": entity_type,
            "entity_id": tried.entity_id,
            "zoho_entity_type": ZOHO_MODULES[entity_type],
            "zoho_id": tried.zoho_id,
            "said": tried.said,
            "request_payload": None if work is None else Jsonb(work.payload),
            "duration_ms": None if work is None else work.milliseconds,
            "api_calls": None if work is None else work.requests,
            "failure_class": failure.failure_class,
            "zoho_code": failure.code,
        }
        await self._database.execute(statement("undo_refused"), parameters)


class PastThePause(Database):
    """The database as the undo's budget sees it: in its transactions sending is not paused. Raises
    :class:`SendingStopped` where it is not paused in truth.
    """

    def __init__(self, database: Database) -> None:
        # A view of another's pool, with none of its own.
        self._whole = database

    @asynccontextmanager
    async def connection(self, *, seconds: float = DEADLINE_SECONDS) -> AsyncIterator[Connection]:
        """As the database's own."""
        async with self._whole.connection(seconds=seconds) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, *, seconds: float = DEADLINE_SECONDS) -> AsyncIterator[Connection]:
        """As the database's own, within the pause."""
        async with self._whole.transaction(seconds=seconds) as connection:
            # The budget's row first, as everybody locks them: the other way round, two askers would wait in a circle.
            await connection.execute(statement("lock_budget"))
            earlier = await (await connection.execute(statement("undo_pass_pause"))).fetchone()
            if earlier is None:
                raise SendingStopped(OrganisationState.RUNNING, "the pause was ended", None)
            yield connection
            await connection.execute(statement("undo_keep_pause"), {"paused_at": earlier["paused_at"]})


def undo_budget(database: Database, settings: Settings, session: UUID) -> SharedBudget:
    """The budget of all, save that a pause is asked for in place of minded."""
    return SharedBudget(PastThePause(database), settings, session)
