"""Amounts that the database keeps as JSON come back as they went in."""

from decimal import Decimal

import pytest

from outbox.entities.catalogue import CatalogueKind
from outbox.store.catalogue import CatalogueStore
from outbox.store.listing import ListedRow, ListingStore
from outbox.vocabulary import EntityType
from outbox.zoho.json_text import JsonValue
from tests.sending.conftest import Process

pytestmark = pytest.mark.anyio

AMOUNTS: dict[str, JsonValue] = {
    "least": Decimal("0.01"),
    "largest": Decimal("99999999.99"),
    "odd": Decimal("0.1"),
    "whole": 799,
}


async def test_no_amount_that_is_kept_becomes_a_float(process: Process) -> None:
    catalogues = CatalogueStore(process.engine.database)
    await catalogues.store(CatalogueKind.PLANS, [AMOUNTS])
    kept = await catalogues.read(CatalogueKind.PLANS)
    assert kept is not None
    listings = ListingStore(process.engine.database, process.engine.clock)
    listing = listings.begin(EntityType.PAYMENT)
    await listings.add(listing, [ListedRow("1", ["key"], AMOUNTS)])
    await listings.complete(listing)
    (listed,) = await listings.find(listing.id, ["key"])
    for record in (kept.rows[0], listed):
        assert record == AMOUNTS
        assert [type(value) for value in record.values() if not isinstance(value, int)] == [Decimal] * 3
