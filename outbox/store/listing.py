"""Lists of Zoho's records, read once and asked many times (decisions.md, Customers: "matched against lists read once").

A listing is named by a fresh id while it is read, page by page, and look-ups go by it only when it was read to its end:
half a list proves nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from outbox.clock import Clock
from outbox.database import Database
from outbox.database.batching import Batched
from outbox.store.statements import statement
from outbox.vocabulary import EntityType
from outbox.zoho.json_text import JsonValue


@dataclass(frozen=True)
class ListedRow:
    """One row of a list, and the keys under which it is found again."""

    zoho_id: str
    found_by: Sequence[str]
    record: Mapping[str, JsonValue]


@dataclass
class ListingInProgress:
    """A list that is being read. ``begun`` on the monotonic clock."""

    entity_type: EntityType
    id: UUID
    begun: float


@dataclass
class ListingStore:
    """The statements of listings."""

    database: Database
    clock: Clock

    def __post_init__(self) -> None:
        self._by_type_and_age: dict[
            tuple[EntityType, float], Batched[Sequence[str], list[Mapping[str, JsonValue]] | None]
        ] = {}

    async def find(self, listing: UUID, keys: Sequence[str]) -> list[Mapping[str, JsonValue]]:
        """The rows of a listing that are known under one of ``keys``."""
        rows = await self.database.rows(statement("find_listed"), {"listing": listing, "keys": list(keys)})
        return [row["record"] for row in rows]

    async def look(
        self, entity_type: EntityType, oldest_seconds: float, keys: Sequence[str]
    ) -> list[Mapping[str, JsonValue]] | None:
        """The rows of the type's listing that are known under one of ``keys``; None: none is complete and so young.

        Nothing is remembered: the database is asked after this was called, whether a listing may be believed and what
        it holds at once. Those who look while a statement is under way share the next.
        """
        looks = self._by_type_and_age.setdefault(
            (entity_type, oldest_seconds), Batched(partial(self._look, entity_type, oldest_seconds))
        )
        return await looks.ask(keys)

    async def _look(
        self, entity_type: EntityType, oldest_seconds: float, looks: Sequence[Sequence[str]]
    ) -> Sequence[list[Mapping[str, JsonValue]] | None]:
        wanted: defaultdict[str, set[int]] = defaultdict(set)
        for place, keys in enumerate(looks):
            for key in keys:
                wanted[key].add(place)
        rows = await self.database.rows(
            statement("look_in_listing"),
            {"entity_type": entity_type, "oldest_seconds": oldest_seconds, "keys": list(wanted)},
        )
        if not rows:
            return [None] * len(looks)
        found: list[list[Mapping[str, JsonValue]]] = [[] for _ in looks]
        for row in rows:
            for place in {place for key in row["found_by"] or () if key in wanted for place in wanted[key]}:
                found[place].append(row["record"])
        return found

    def begin(self, entity_type: EntityType) -> ListingInProgress:
        """Before the first page is asked for: what is created in Zoho from here on may be missing."""
        return ListingInProgress(entity_type, uuid4(), self.clock.monotonic())

    async def add(self, listing: ListingInProgress, rows: Sequence[ListedRow]) -> None:
        """Keeps one page."""
        page = [
            {"zoho_id": row.zoho_id, "found_by": list(row.found_by), "record": row.record}
            for row in {row.zoho_id: row for row in rows}.values()
        ]
        await self.database.execute(statement("store_listed"), {"listing": listing.id, "rows": Jsonb(page)})

    async def complete(self, listing: ListingInProgress) -> int:
        """After the last page; returns how many records there are. The listing before it goes."""
        row = await self.database.row(
            statement("complete_listing"),
            {
                "entity_type": listing.entity_type,
                "listing": listing.id,
                "took_seconds": self.clock.monotonic() - listing.begun,
            },
        )
        return 0 if row is None else int(row["records"])
