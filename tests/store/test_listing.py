"""A list that is no longer there proves nothing."""

import pytest

from outbox.clock import SystemClock
from outbox.database import Database
from outbox.store.listing import ListedRow, ListingStore
from outbox.vocabulary import EntityType

pytestmark = pytest.mark.anyio


async def listing_of(store: ListingStore, *rows: ListedRow) -> None:
    listing = store.begin(EntityType.CUSTOMER)
    await store.add(listing, rows)
    await store.complete(listing)


async def test_a_look_up_by_a_list_that_another_one_replaced_finds_out(database: Database) -> None:
    store = ListingStore(database, SystemClock())
    row = ListedRow("4600000000000001", ["CT-1"], {"display_name": "Anna [CT-1]"})
    await listing_of(store, row)
    first = await store.valid(EntityType.CUSTOMER, 60.0)
    assert first is not None
    assert await store.find_current(EntityType.CUSTOMER, first, ["CT-1"]) == [row.record]
    assert await store.find_current(EntityType.CUSTOMER, first, ["CT-2"]) == []

    await listing_of(store, row)
    assert await store.find_current(EntityType.CUSTOMER, first, ["CT-1"]) is None
