"""What a reconciliation found, and how far it came (see :mod:`outbox.reconciliation`)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from outbox.database import Database, Row
from outbox.host_tables import HOST_TABLES
from outbox.store.statements import statement, statement_by_name, statement_for_host
from outbox.vocabulary import EntityType, Urgency
from outbox.zoho.json_text import JsonValue

HOLD_SECONDS = 900.0
"""A process that has not reported for this long no longer works on its run."""

PAGE_SECONDS = 60.0

Transaction = psycopg.AsyncConnection[Row]


@dataclass(frozen=True)
class Run:
    """A run. ``taken``: another living process works on it."""

    id: UUID
    deep: bool
    entity_types: tuple[EntityType, ...]
    started_at: datetime
    requests: int = 0
    taken: bool = False


@dataclass
class Part:
    """How far a run came with one type. Counters are those of the whole run."""

    entity_type: EntityType
    stage: str
    """list, compare, unknown, done."""
    listing: UUID
    next_page: int
    after_row: UUID | None
    after_record: str
    agree: int
    differ: int
    not_compared: int
    listed: int
    outdated: bool


@dataclass(frozen=True)
class Finding:
    """A row of ``reconciliation_finding``, as it is written."""

    entity_id: UUID | None
    zoho_id: str | None
    named: str
    finding: str
    """difference, not_compared, remark."""
    kind: str | None
    said: str
    mend: str | None

    def as_json(self) -> dict[str, Any]:
        """For the statement."""
        return {
            "entity_id": None if self.entity_id is None else str(self.entity_id),
            "zoho_id": self.zoho_id,
            "named": self.named,
            "finding": self.finding,
            "kind": self.kind,
            "said": self.said,
            "mend": self.mend,
        }


@dataclass(frozen=True)
class Stranger:
    """A record in a list that no living row knows. ``made_by`` None: it was never looked at."""

    zoho_id: str
    record: Mapping[str, JsonValue]
    deleted_row: UUID | None
    made_by: str | None


@dataclass
class ReconciliationStore:
    """The statements of reconciliation, for one process."""

    database: Database
    session: UUID

    async def unfinished(self) -> Run | None:
        """The run that the next one goes on with."""
        row = await self.database.row(statement("reconcile_unfinished"), {"session": self.session})
        if row is None:
            return None
        types = tuple(EntityType(name) for name in row["entity_types"])
        return Run(row["id"], row["deep"], types, row["started_at"], row["requests"], row["taken"])

    async def start(self, entity_types: Sequence[EntityType], *, deep: bool) -> Run | None:
        """A new run; None: another process began one at this moment."""
        row = await self.database.row(
            statement("reconcile_start"),
            {
                "deep": deep,
                "entity_types": list(entity_types),
                "session": self.session,
                "hold_seconds": HOLD_SECONDS,
            },
        )
        return None if row is None else Run(row["id"], deep, tuple(entity_types), row["started_at"])

    async def go_on(self, run: UUID) -> bool:
        """Takes or keeps the run; False: it is another process's."""
        async with self.transaction() as connection:
            return await self.keep(connection, run)

    async def keep(self, connection: Transaction, run: UUID, requests: int = 0) -> bool:
        """As :meth:`go_on`, in the transaction of what is written for it; counts requests."""
        cursor = await connection.execute(
            statement("reconcile_go_on"),
            {"run": run, "session": self.session, "hold_seconds": HOLD_SECONDS, "requests": requests},
        )
        return await cursor.fetchone() is not None

    async def leave(self, run: UUID) -> None:
        """Whoever calls next may go on at once."""
        await self.database.execute(statement("reconcile_leave"), {"run": run, "session": self.session})

    async def finish(self, run: UUID) -> None:
        """The run is over; its lists go."""
        await self.database.execute(statement("reconcile_finish"), {"run": run}, seconds=PAGE_SECONDS)

    async def parts(self, run: UUID) -> dict[EntityType, Part]:
        """By type."""
        rows = await self.database.rows(statement("reconcile_parts"), {"run": run})
        return {
            EntityType(row["entity_type"]): Part(
                **{**row, "entity_type": EntityType(row["entity_type"]), "outdated": bool(row["outdated"])}
            )
            for row in rows
        }

    async def list_anew(self, run: UUID, entity_type: EntityType) -> None:
        """The list is too old to go by."""
        await self.database.execute(
            statement("reconcile_list_anew"), {"run": run, "entity_type": entity_type}, seconds=PAGE_SECONDS
        )

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """What a page found, and how far the part came with it, are written in one."""
        return self.database.transaction(seconds=PAGE_SECONDS)

    async def advance(
        self,
        connection: Transaction,
        run: UUID,
        part: Part,
        *,
        agree: int = 0,
        differ: int = 0,
        not_compared: int = 0,
        listed: int = 0,
    ) -> None:
        """Where ``part`` stands now, and what to add to its counters."""
        added = {"agree": agree, "differ": differ, "not_compared": not_compared, "listed": listed}
        await connection.execute(
            statement("reconcile_advance"),
            {
                "run": run,
                "entity_type": part.entity_type,
                "stage": part.stage,
                "next_page": part.next_page,
                "after_row": part.after_row,
                "after_record": part.after_record,
                **added,
            },
        )
        for name, count in added.items():
            setattr(part, name, getattr(part, name) + count)

    async def record(
        self, connection: Transaction, run: UUID, entity_type: EntityType, findings: Sequence[Finding]
    ) -> None:
        """Keeps findings."""
        if findings:
            rows = Jsonb([finding.as_json() for finding in findings])
            parameters = {"run": run, "entity_type": entity_type, "rows": rows}
            await connection.execute(statement("reconcile_find"), parameters)

    async def add_sums(self, connection: Transaction, run: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds to sums: month, measure, category, because, records, ours, theirs (as text)."""
        if rows:
            await connection.execute(statement("reconcile_add_sums"), {"run": run, "rows": Jsonb(list(rows))})

    async def listed(self, listing: UUID, zoho_ids: Sequence[str]) -> dict[str, Mapping[str, JsonValue]]:
        """List rows by the records' ids."""
        rows = await self.database.rows(
            statement("reconcile_listed"), {"listing": listing, "zoho_ids": list(zoho_ids)}, seconds=PAGE_SECONDS
        )
        return {row["zoho_id"]: row["record"] for row in rows}

    async def strangers(self, entity_type: EntityType, listing: UUID, after: str, batch: int) -> list[Stranger]:
        """Records that no living row knows, by id."""
        table = HOST_TABLES[entity_type]
        rows = await self.database.rows(
            statement_for_host("reconcile_strangers", table.name, table.zoho_id),
            {"entity_type": entity_type, "listing": listing, "after": after, "batch": batch},
            seconds=PAGE_SECONDS,
        )
        return [Stranger(**row) for row in rows]

    async def remember(self, entity_type: EntityType, made_by: Mapping[str, str]) -> None:
        """Who made records, by their ids: they are not asked for again."""
        if made_by:
            await self.database.execute(
                statement("reconcile_remember"),
                {"entity_type": entity_type, "zoho_ids": list(made_by), "made_by": list(made_by.values())},
            )

    async def open_amounts(self, ids: Sequence[UUID]) -> dict[UUID, Decimal]:
        """What is still to be paid of invoices."""
        rows = await self.database.rows(statement("reconcile_open_amounts"), {"ids": list(ids)})
        return {row["id"]: row["open"] for row in rows if row["open"] is not None}

    async def set_aside(self, entity_type: EntityType, ids: Sequence[UUID]) -> set[UUID]:
        """Those of the host's rows that say they were."""
        table = HOST_TABLES[entity_type]
        query = statement_for_host("reconcile_shown", table.name, table.zoho_id)
        return {row["id"] for row in await self.database.rows(query, {"ids": list(ids)})}

    async def is_told(self, run: UUID, entity_type: EntityType, entity_id: UUID) -> bool:
        """Whether this run has named the row already."""
        row = await self.database.row(
            statement("reconcile_is_told"), {"run": run, "entity_type": entity_type, "entity_id": entity_id}
        )
        return row is not None and bool(row["told"])

    async def subscriptions_of(self, customer: str) -> list[str]:
        """Zoho's subscriptions of a customer (Zoho's id), as far as our services know them."""
        rows = await self.database.rows(statement("reconcile_subscriptions_of"), {"customer": customer})
        return [row["zoho_id"] for row in rows]

    async def suspects(self, run: UUID, ids: Sequence[UUID]) -> set[UUID]:
        """Those of the invoices whose money this run found otherwise."""
        if not ids:
            return set()
        rows = await self.database.rows(statement("reconcile_suspects"), {"run": run, "ids": list(ids)})
        return {row["entity_id"] for row in rows}

    async def owner(self, entity_type: EntityType, entity_id: UUID) -> Row | None:
        """id, known_as, zoho_id of a host row; None: there is none."""
        table = HOST_TABLES[entity_type]
        query = statement_by_name("reconcile_owner", table.name, table.zoho_id, table.known_by)
        return await self.database.row(query, {"entity_id": entity_id})

    async def last(self) -> Row | None:
        """The latest run."""
        return await self.database.row(statement("reconcile_last"))

    async def findings(self, run: UUID, after: int = 0, batch: int = 500) -> list[Row]:
        """A page of what a run found."""
        return await self.database.rows(statement("reconcile_findings"), {"run": run, "after": after, "batch": batch})

    async def sums(self, run: UUID) -> list[Row]:
        """Both sides' sums."""
        return await self.database.rows(statement("reconcile_sums"), {"run": run})

    async def fix(self, run: UUID, batch: int = 500) -> int:
        """Has up to ``batch`` rows sent again; how many differences that mends. 0: there are none left."""
        row = await self.database.row(
            statement("reconcile_fix"), {"run": run, "batch": batch, "priority": int(Urgency.RECONCILE)}
        )
        return 0 if row is None else int(row["enqueued"])

    async def end_look_first(self, begun: datetime) -> bool:
        """A clean run: creates no longer look first. False: they did not have to, or have to since the run began."""
        return await self.database.row(statement("reconcile_clean"), {"begun": begun}) is not None
