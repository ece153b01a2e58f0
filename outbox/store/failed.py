"""Entities that failed: which they are, and setting their entries to pending as an operator would."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outbox.database import Database
from outbox.store.readings import LONG_SECONDS
from outbox.store.statements import statement
from outbox.vocabulary import EntityType, Phase


@dataclass(frozen=True)
class FailedEntity:
    """An entity that is dead or between attempts, with its newest open entry."""

    entity_type: EntityType
    entity_id: UUID
    phase: Phase
    last_error: str | None
    entry: int


@dataclass
class FailedEntities:
    """Reads them, and reopens."""

    database: Database

    async def of(self, types: Sequence[EntityType]) -> list[FailedEntity]:
        """Those of ``types``, the longest enqueued first."""
        rows = await self.database.rows(
            statement("retry_candidates"), {"entity_types": list(types)}, seconds=LONG_SECONDS
        )
        return [
            FailedEntity(
                EntityType(row["entity_type"]),
                row["entity_id"],
                Phase(row["phase"]),
                row["last_error"],
                row["entry_id"],
            )
            for row in rows
        ]

    async def reopen(self, entries: Sequence[int]) -> list[int]:
        """Sets them to pending, in one transaction; returns those that were, and not what was settled meanwhile."""
        rows = await self.database.rows(statement("reopen_entries"), {"ids": list(entries)})
        return [row["id"] for row in rows]
