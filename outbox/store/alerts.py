"""What ``alert-failed`` remembers, the turn to tell, and dead rows by their cause."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from outbox.database import Database
from outbox.store.readings import LONG_SECONDS, Readings, Unreadable
from outbox.store.statements import statement
from outbox.vocabulary import EntityType

MOST_DEAD = 100_000
"""Dead rows that are grouped."""
MOST_CAUSES = 200
REMEMBERED = 1_000
"""Rows of one cause that are remembered by their ids; of more, the number is."""

Entity = tuple[EntityType, UUID]


@dataclass(frozen=True)
class DeadGroup:
    """Dead rows of one type and one cause."""

    entity_type: EntityType
    cause: str
    """The reason without what differs from row to row."""
    digest: str
    """Of type and cause: the same as long as the cause is."""
    entities: int
    since: datetime
    reason: str
    """In full, of the row that is dead longest."""
    entity_ids: tuple[UUID, ...]
    example: str
    """That row, as people know it."""


@dataclass(frozen=True)
class Told:
    """What a receiver was told last of a problem, and not yet that it is over."""

    problem: str
    said: str
    entity_type: EntityType | None
    entity_ids: frozenset[UUID]
    entities: int
    told_seconds: float
    """Since then."""


@dataclass(frozen=True)
class Standing:
    """A problem as it is told now."""

    problem: str
    said: str
    entity_type: EntityType | None
    entity_ids: Sequence[UUID]
    entities: int


class AlertStore:
    """All raise ``DatabaseUnavailable``, and ``psycopg.Error`` where a right or a table is missing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readings = Readings(database)

    async def take_turn(self, token: UUID, seconds: float) -> bool:
        """Whether nobody else tells now; ``seconds`` long, if it is not given back."""
        return await self._database.row(statement("alert_take_turn"), {"token": token, "seconds": seconds}) is not None

    async def give_turn_back(self, token: UUID) -> None:
        """Others may tell."""
        await self._database.execute(statement("alert_give_turn_back"), {"token": token})

    async def told(self, receivers: Collection[str]) -> dict[str, dict[str, Told]]:
        """What stands as far as each receiver knows, by receiver and problem."""
        rows = await self._database.rows(statement("alert_told"), {"receivers": list(receivers)})
        known: dict[str, dict[str, Told]] = {receiver: {} for receiver in receivers}
        for row in rows:
            entity_type = row["entity_type"]
            known[row["receiver"]][row["problem"]] = Told(
                row["problem"],
                row["said"],
                None if entity_type is None else EntityType(entity_type),
                frozenset(row["entity_ids"]),
                row["entities"],
                row["told_seconds"],
            )
        return known

    async def remember(self, token: UUID, receiver: str, standing: Sequence[Standing], over: Sequence[str]) -> bool:
        """Keeps what ``receiver`` was told. False: the turn was over, and somebody else may have told the same."""
        row = await self._database.row(
            statement("alert_remember"),
            {
                "token": token,
                "receiver": receiver,
                "over": list(over),
                "standing": Jsonb(
                    [
                        {
                            "problem": each.problem,
                            "said": each.said,
                            "entity_type": each.entity_type,
                            "entity_ids": [str(entity_id) for entity_id in each.entity_ids],
                            "entities": each.entities,
                        }
                        for each in standing
                    ]
                ),
            },
        )
        return row is not None

    async def in_hand(self, entities: Collection[Entity]) -> frozenset[Entity]:
        """Those that are being tried again now."""
        if not entities:
            return frozenset()
        rows = await self._database.rows(
            statement("alert_in_hand"),
            {
                "entity_types": [entity_type for entity_type, _ in entities],
                "entity_ids": [entity_id for _, entity_id in entities],
            },
        )
        return frozenset((EntityType(row["entity_type"]), row["entity_id"]) for row in rows)

    async def dead(self) -> list[DeadGroup]:
        """Dead rows by type and cause, the most frequent first."""
        rows = await self._database.rows(
            statement("alert_dead"),
            {"most": MOST_DEAD, "causes": MOST_CAUSES, "remembered": REMEMBERED},
            seconds=LONG_SECONDS,
        )
        groups = []
        names = await self._names({(EntityType(row["entity_type"]), row["entity_ids"][0]) for row in rows})
        for row in rows:
            entity_type, ids = EntityType(row.pop("entity_type")), tuple(row.pop("entity_ids"))
            example = f"{entity_type} {names.get((entity_type, ids[0]), ids[0])}"
            groups.append(DeadGroup(entity_type=entity_type, entity_ids=ids, example=example, **row))
        return groups

    async def _names(self, entities: Collection[Entity]) -> Mapping[Entity, str]:
        names: dict[Entity, str] = {}
        for entity_type in EntityType:
            ids = [entity_id for its_type, entity_id in entities if its_type is entity_type]
            found = await self._readings.names(entity_type, ids) if ids else {}
            if not isinstance(found, Unreadable):
                names |= {(entity_type, entity_id): name for entity_id, name in found.items()}
        return names
