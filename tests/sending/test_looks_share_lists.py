"""Rows that look in Zoho's lists at the same time: one reading of a list for all of them, and few statements."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import anyio
import pytest

from outbox.database import Row
from outbox.entities.contract import Remote
from outbox.entities.registry import ENTITIES
from outbox.simulator import RunningSimulator
from outbox.store.statements import statement
from outbox.store.verdicts import Claim
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from outbox.zoho.json_text import JsonValue
from tests.sending.billing import Billing, held
from tests.sending.conftest import Process
from tests.store.conftest import claim_one
from tests.store.host import Host

pytestmark = pytest.mark.anyio

CUSTOMER = ENTITIES[EntityType.CUSTOMER]
LOOKS = statement("look_in_listing")

ANNA, BEN, DORA = (f"mail {name}@example.com" for name in ("anna", "ben", "dora"))
"""Keys under which customers are looked for; Zoho has no Dora."""


class Unreadable(Exception):  # noqa: N818 - Zoho's trouble
    """As Zoho's failures pass through a reading."""


@dataclass
class ListOnly:
    """Of a Zoho that holds Anna and Ben: its list of customers, whose end comes when the test lets it."""

    begun: anyio.Event = field(default_factory=anyio.Event)
    go_on: anyio.Event = field(default_factory=anyio.Event)
    readings: int = 0
    failures: int = 0
    """So many readings fail, the first ones."""

    async def rows(
        self,
        path: str,
        key: str,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        self.readings += 1
        fails = self.readings <= self.failures
        self.begun.set()
        for number, name in enumerate(("anna", "ben")):
            yield {"customer_id": f"46{number:014}", "display_name": name, "email": f"{name}@example.com"}
        await self.go_on.wait()
        if fails:
            raise Unreadable


@dataclass
class Looking:
    """Looks of many rows."""

    process: Process
    zoho: ListOnly
    claim: Claim
    found: list[tuple[str, list[JsonValue] | None]] = field(default_factory=list)
    failed: int = 0

    async def look(self, key: str, *, make: bool = True, resend: bool = False) -> None:
        """As one row, for which a person asks or does not."""
        claim = replace(self.claim, resend=resend)
        try:
            rows = await self.process.engine.listings.look(CUSTOMER, claim, cast("Remote", self.zoho), [key], make=make)
        except Unreadable:
            self.failed += 1
        else:
            self.found.append((key, None if rows is None else [row["display_name"] for row in rows]))

    async def looked(self, *keys: str) -> None:
        """As many rows at the same time."""
        async with anyio.create_task_group() as group:
            for key in keys:
                group.start_soon(self.look, key)


@pytest.fixture
async def looking(process: Process, host: Host) -> Looking:
    host.add_customer()
    return Looking(process, ListOnly(), await claim_one(process.engine.store))


@pytest.fixture
def statements(process: Process, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parameters of each statement that looked in lists."""
    asked: list[Any] = []
    rows = process.engine.database.rows

    async def noted(query: Any, parameters: Any = None, **options: Any) -> list[Row]:
        if query == LOOKS:
            asked.append(parameters)
        return await rows(query, parameters, **options)

    monkeypatch.setattr(process.engine.database, "rows", noted)
    return asked


async def test_one_of_those_who_find_no_list_reads_it_for_all(looking: Looking) -> None:
    looking.zoho.go_on.set()
    await looking.looked(ANNA, BEN, DORA, ANNA, ANNA)
    assert sorted(looking.found) == [(ANNA, ["anna"])] * 3 + [(BEN, ["ben"]), (DORA, [])]
    assert looking.zoho.readings == 1


async def test_a_list_that_is_being_read_is_waited_for_also_by_who_would_not_read_it(
    looking: Looking, statements: list[Any]
) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(looking.look, ANNA)
        await looking.zoho.begun.wait()
        before = len(statements)
        group.start_soon(partial(looking.look, BEN, make=False))
        group.start_soon(looking.look, DORA)
        await anyio.wait_all_tasks_blocked()
        assert (looking.found, len(statements)) == ([], before)
        looking.zoho.go_on.set()
    assert sorted(looking.found) == [(ANNA, ["anna"]), (BEN, ["ben"]), (DORA, [])]
    assert looking.zoho.readings == 1


async def test_where_there_is_no_list_who_would_not_read_it_is_told_so(looking: Looking) -> None:
    await looking.look(ANNA, make=False)
    assert looking.found == [(ANNA, None)]
    assert looking.zoho.readings == 0


async def test_one_that_cannot_be_read_fails_who_read_it_and_the_next_tries(looking: Looking) -> None:
    looking.zoho.failures = 2
    looking.zoho.go_on.set()
    await looking.looked(ANNA, ANNA, ANNA, ANNA)
    assert looking.failed == 2
    assert looking.found == [(ANNA, ["anna"])] * 2
    assert looking.zoho.readings == 3


async def test_whoever_reads_it_may_be_cancelled(looking: Looking) -> None:
    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await looking.look(ANNA)

        group.start_soon(cancelled)
        await looking.zoho.begun.wait()
        group.start_soon(looking.look, BEN)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        looking.zoho.go_on.set()
    assert looking.found == [(BEN, ["ben"])]
    assert looking.zoho.readings == 2


async def test_one_of_those_for_whom_it_is_too_old_reads_it_again_for_all_of_them(looking: Looking, host: Host) -> None:
    looking.zoho.go_on.set()
    await looking.look(ANNA)
    host.interfere("UPDATE zoho_outbox_private.listing SET begun_at = begun_at - interval '6 minutes'")
    await looking.look(BEN)
    assert looking.zoho.readings == 1
    async with anyio.create_task_group() as group:
        for key in (ANNA, BEN, DORA):
            group.start_soon(partial(looking.look, key, resend=True))
    assert looking.zoho.readings == 2
    assert sorted(looking.found[2:]) == [(ANNA, ["anna"]), (BEN, ["ben"]), (DORA, [])]


async def test_many_who_have_a_list_share_a_statement(looking: Looking, statements: list[Any]) -> None:
    looking.zoho.go_on.set()
    await looking.look(ANNA)
    statements.clear()
    await looking.looked(*[ANNA, DORA] * 25)
    assert sorted(looking.found[1:]) == [(ANNA, ["anna"])] * 25 + [(DORA, [])] * 25
    assert len(statements) == 1


async def test_a_backfilled_customer_costs_a_share_of_a_statement(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, statements: list[Any]
) -> None:
    customers = host.add_customers(40)
    billing.from_before(*customers)
    await process.engine.store.enqueue(
        [(EntityType.CUSTOMER, row) for row in customers],
        change=Change.RELATED,
        origin=Origin.BACKFILL,
        urgency=Urgency.BACKFILL,
    )
    await process.turns_until_quiet()
    assert len(held(zoho, "customers")) == 40
    # Two for each, where each asks by itself whether there is a list, and then in it.
    assert len(statements) <= 20
