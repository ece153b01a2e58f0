"""Which host rows a backfill takes up."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outbox.database import Database
from outbox.host_tables import HOST_TABLES
from outbox.store.statements import statement, statement_for_host
from outbox.vocabulary import EntityType


@dataclass
class Candidates:
    """Reads only."""

    database: Database

    async def without_zoho_id(self, entity_type: EntityType, after: UUID | None, batch: int) -> list[UUID]:
        """Host rows without a Zoho id, one page by primary key."""
        table = HOST_TABLES[entity_type]
        rows = await self.database.rows(
            statement_for_host("backfill_candidates", table.name, table.zoho_id), {"after": after, "batch": batch}
        )
        return [row["id"] for row in rows]

    async def born_here(self, entity_type: EntityType, ids: Sequence[UUID]) -> set[UUID]:
        """Those of ``ids`` that need no look-up before their first create."""
        rows = await self.database.rows(
            statement("known_births"), {"entity_type": entity_type, "entity_ids": list(ids)}
        )
        return {row["entity_id"] for row in rows}
