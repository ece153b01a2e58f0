"""Which list of Zoho's records a look-up may go by, and reading one (decisions.md, Customers).

A row from before the installation must be looked up before it is created. A request for each would cost more than all
the rest; a list costs one for 200. A list tells nothing of what was created after it was begun: so it is no proof for a
create of our own whose fate is unknown, and it is read again for whom a person asks (they may have just made the record
by hand).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import anyio

from outbox.entities.contract import AnyEntity, Listing, Remote
from outbox.store.listing import ListedRow, ListingStore
from outbox.store.verdicts import Claim
from outbox.vocabulary import EntityType
from outbox.zoho.json_text import JsonValue

OLDEST_SECONDS = 86_400.0
"""For a row that nobody asks for in person."""

OLDEST_FOR_A_PERSON_SECONDS = 300.0

BATCH = 200


@dataclass
class _Reading:
    """The readings of one type's list that look-ups of this process began."""

    begun: int = 0
    ended: anyio.Event | None = None
    """Of the one that is under way."""


class Listings:
    """The lists of one process, in the database for all of them."""

    def __init__(self, store: ListingStore) -> None:
        self._store = store
        self._reading: dict[EntityType, _Reading] = {}

    async def look(
        self, entity: AnyEntity, claim: Claim, remote: Remote, keys: Sequence[str], *, make: bool
    ) -> Sequence[Mapping[str, JsonValue]] | None:
        """See :meth:`outbox.entities.contract.Remote.listed`."""
        if entity.listing is None or claim.fate_unknown_seconds is not None:
            return None
        oldest = OLDEST_FOR_A_PERSON_SECONDS if claim.resend else OLDEST_SECONDS
        reading = self._reading.setdefault(entity.entity_type, _Reading())
        while True:
            # A list that is being read is waited for. No lock round the question: that would put those that could
            # share a statement one behind the other.
            while reading.ended is not None:
                await reading.ended.wait()
            begun = reading.begun
            found = await self._store.look(entity.entity_type, oldest, keys)
            if found is not None or not make:
                return found
            if reading.begun == begun:
                break
            # Another one began to read it meanwhile: its list may do.
        reading.begun += 1
        reading.ended = anyio.Event()
        try:
            await self.read(entity, remote.rows(entity.listing.path, entity.listing.key, entity.listing.query))
        finally:
            reading.ended.set()
            reading.ended = None
        return await self._store.look(entity.entity_type, oldest, keys)

    async def read(self, entity: AnyEntity, rows: AsyncIterator[Mapping[str, JsonValue]]) -> int:
        """Reads a list to its end and keeps it; returns how many records it has. Raises what ``rows`` raises."""
        if entity.listing is None:
            raise ValueError(f"{entity.entity_type} has no listing")
        listing = self._store.begin(entity.entity_type)
        batch: list[ListedRow] = []
        async for row in rows:
            batch.append(listed_row(entity, entity.listing, row))
            if len(batch) == BATCH:
                await self._store.add(listing, batch)
                batch = []
        if batch:
            await self._store.add(listing, batch)
        return await self._store.complete(listing)


def listed_row(entity: AnyEntity, listing: Listing, row: Mapping[str, JsonValue]) -> ListedRow:
    """A row of Zoho's list, as it is kept."""
    kept = {key: value for key, value in row.items() if key not in listing.forgotten}
    return ListedRow(str(row[listing.id_key]), entity.listed_under(row), kept)
