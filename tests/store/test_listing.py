"""A list that is no longer there proves nothing, and many who look in one at the same time share a statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import pytest

from outbox.clock import SystemClock
from outbox.database import Database, Row
from outbox.store.listing import ListedRow, ListingStore
from outbox.vocabulary import EntityType
from outbox.zoho.json_text import JsonValue
from tests.store.host import Host

pytestmark = pytest.mark.anyio

ANNA = ListedRow("4600000000000001", ["CT-1", "anna@example.com"], {"display_name": "Anna [CT-1]"})
BEN = ListedRow("4600000000000002", ["CT-2", "ben@example.com"], {"display_name": "Ben [CT-2]"})
TWIN = ListedRow("4600000000000003", ["CT-9", "anna@example.com"], {"display_name": "Anna [CT-9]"})


async def listing_of(store: ListingStore, *rows: ListedRow, entity_type: EntityType = EntityType.CUSTOMER) -> None:
    listing = store.begin(entity_type)
    await store.add(listing, rows)
    await store.complete(listing)


@dataclass(frozen=True)
class Look:
    """What one row asks."""

    keys: tuple[str, ...]
    entity_type: EntityType
    oldest: float

    async def by(self, store: ListingStore) -> list[Mapping[str, JsonValue]] | None:
        return await store.look(self.entity_type, self.oldest, self.keys)


def look_for(*keys: str, entity_type: EntityType = EntityType.CUSTOMER, oldest: float = 60.0) -> Look:
    return Look(keys, entity_type, oldest)


@pytest.fixture
def store(database: Database) -> ListingStore:
    return ListingStore(database, SystemClock())


class Statements:
    """Counts what a database is asked."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        rows = database.rows

        async def counted(*arguments: Any, **options: Any) -> list[Row]:
            self.count += 1
            return await rows(*arguments, **options)

        monkeypatch.setattr(database, "rows", counted)


async def looked(store: ListingStore, *looks: Look) -> list[Any]:
    """All at the same time."""
    found: list[Any] = [None] * len(looks)

    async def one(place: int, look: Look) -> None:
        found[place] = await look.by(store)

    async with anyio.create_task_group() as group:
        for place, look in enumerate(looks):
            group.start_soon(one, place, look)
    return found


async def test_what_a_list_holds_is_found_under_each_of_its_keys(store: ListingStore) -> None:
    assert await look_for("CT-1").by(store) is None
    await listing_of(store, ANNA, BEN, TWIN)
    assert await look_for("CT-1").by(store) == [ANNA.record]
    assert await look_for("CT-2", "nobody@example.com").by(store) == [BEN.record]
    assert await look_for("CT-1", "anna@example.com").by(store) == [ANNA.record, TWIN.record]
    assert await look_for("CT-3").by(store) == []
    assert await look_for().by(store) == []


async def test_a_list_that_another_one_replaced_says_nothing_any_more(store: ListingStore) -> None:
    await listing_of(store, ANNA)
    assert await look_for("CT-1").by(store) == [ANNA.record]
    await listing_of(store, BEN)
    assert await look_for("CT-1").by(store) == []
    assert await look_for("CT-2").by(store) == [BEN.record]


async def test_half_a_list_says_nothing(store: ListingStore) -> None:
    await store.add(store.begin(EntityType.CUSTOMER), [ANNA])
    assert await look_for("CT-1").by(store) is None


async def test_a_database_that_lost_its_memory_believes_no_list_from_before(store: ListingStore, host: Host) -> None:
    await listing_of(store, ANNA)
    host.interfere("UPDATE zoho_outbox_private.installation SET look_first_since = clock_timestamp()")
    assert await look_for("CT-1").by(store) is None
    await listing_of(store, ANNA)
    assert await look_for("CT-1").by(store) == [ANNA.record]
    # A failover that nobody noted yet.
    host.interfere("UPDATE zoho_outbox_private.installation SET timeline = timeline + 1")
    assert await look_for("CT-1").by(store) is None


async def test_many_who_look_at_the_same_time_share_a_statement(
    store: ListingStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ListedRow(f"46{number:014}", [f"CT-{number}"], {"number": number}) for number in range(50)]
    await listing_of(store, *rows)
    statements = Statements(database, monkeypatch)
    found = await looked(store, *(look_for(f"CT-{number}") for number in range(100)))
    assert found == [[{"number": number}] for number in range(50)] + [[]] * 50
    assert statements.count == 1


async def test_those_who_look_at_the_same_time_each_go_by_their_own_rule(store: ListingStore, host: Host) -> None:
    await listing_of(store, ANNA)
    await listing_of(store, BEN, entity_type=EntityType.INVOICE)
    host.interfere(
        "UPDATE zoho_outbox_private.listing SET begun_at = begun_at - %s WHERE entity_type = 'customer'",
        [timedelta(minutes=6)],
    )
    found = await looked(
        store,
        look_for("CT-1", oldest=86_400.0),
        look_for("CT-1", oldest=300.0),
        look_for("CT-2", oldest=86_400.0),
        look_for("CT-1", entity_type=EntityType.INVOICE),
        look_for("CT-2", entity_type=EntityType.INVOICE),
        look_for("CT-2", entity_type=EntityType.PAYMENT),
        look_for("CT-1", oldest=86_400.0),
    )
    assert found == [[ANNA.record], None, [], [], [BEN.record], None, [ANNA.record]]


async def test_who_looks_after_a_list_was_replaced_is_told_nothing_that_was_asked_before(
    store: ListingStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listing_of(store, ANNA)
    rows, answered, go_on = database.rows, anyio.Event(), anyio.Event()
    found: list[Any] = []

    async def held(*arguments: Any, **options: Any) -> list[Row]:
        answer = await rows(*arguments, **options)
        answered.set()
        await go_on.wait()
        return answer

    async def later() -> None:
        found.append(await look_for("CT-2").by(store))

    monkeypatch.setattr(database, "rows", held)
    async with anyio.create_task_group() as group:
        group.start_soon(look_for("CT-1").by, store)
        await answered.wait()
        # The statement has its answer, and those who wait for it do not know yet.
        await listing_of(ListingStore(database, SystemClock()), BEN)
        group.start_soon(later)
        await anyio.wait_all_tasks_blocked()
        assert found == []
        go_on.set()
    assert found == [[BEN.record]]
