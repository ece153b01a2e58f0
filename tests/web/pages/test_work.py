"""Lists of unfinished work."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.web.pages.reading import OVERVIEW, link_called, read, rows_in, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio


async def test_each_list_says_what_it_would_hold(client: httpx.AsyncClient) -> None:
    assert "Nothing is due." in await read(client, "/work")
    assert "Nothing is due." in await read(client, "/work?standing=unheard&after=of&captured=it")
    assert "Nothing waits for another attempt." in await read(client, "/work?standing=retrying")
    assert "Nothing waits for anything else." in await read(client, "/work?standing=waiting")
    assert "Nothing is being sent at this moment." in await read(client, "/work?standing=syncing")


async def test_each_standing_lists_its_own_rows(client: httpx.AsyncClient, stories: Stories) -> None:
    now = datetime.now(UTC)
    token = {"lease_token": uuid4(), "lease_until": now, "lease_session": uuid4(), "leased_at": now}
    rows = {}
    phases: dict[str, dict[str, Any]] = {
        "ready": {},
        "scheduled": {"attempts": 2, "last_error": "no answer"},
        "leased": token,
    }
    for phase, columns in phases.items():
        rows[phase] = stories.customer(business_name=f"Company {phase}")
        stories.admit(rows[phase])
        stories.state(rows[phase], phase, **columns)
    parent, _ = stories.dead(business_name="Parent")
    invoice = stories.waiting(parent)
    stories.customer(business_name="Company new")

    pending = await read(client, "/work")
    assert "Company ready" in pending
    assert "Captured, not taken up yet" in pending
    assert pending.count("Company new") == 1
    assert "Company scheduled" not in pending
    retrying = await read(client, "/work?standing=retrying")
    assert "Company scheduled CT-2025" in retrying
    assert "No answer" in retrying
    assert "Company leased" in await read(client, "/work?standing=syncing")
    waiting = (await client.get(f"{OVERVIEW}/work?standing=waiting")).text
    assert rows_in(waiting, "work") == [f"invoice-{invoice}"]
    assert link_called(waiting, "Parent") == f"{OVERVIEW}/customer/{parent}"


@pytest.mark.parametrize(
    ("standing", "phase"), [("pending", "ready"), ("retrying", "scheduled"), ("waiting", "waiting")]
)
async def test_pages_of_a_list_show_each_row_once(
    client: httpx.AsyncClient, stories: Stories, standing: str, phase: str
) -> None:
    moment, parent = datetime.now(UTC), uuid4()
    made = set()
    for number in range(110):
        entity_id = uuid4()
        waits: dict[str, Any] = {"waits_for_type": "customer", "waits_for_id": parent} if phase == "waiting" else {}
        stories.state(
            entity_id, phase, due_at=moment + timedelta(seconds=number // 30), urgency=10 + 10 * (number % 2), **waits
        )
        made.add(f"customer-{entity_id}")
    address: str | None = f"{OVERVIEW}/work?standing={standing}"
    seen: list[str] = []
    while address is not None:
        page = (await client.get(address)).text
        seen += rows_in(page, "work")
        address = link_called(page, "Further")
    assert len(seen) == 110
    assert set(seen) == made


async def test_pages_of_what_was_captured_show_each_change_once(client: httpx.AsyncClient, stories: Stories) -> None:
    for _ in range(60):
        stories.customer()
    first = (await client.get(f"{OVERVIEW}/work")).text
    address = link_called(first, "Further")
    assert address is not None
    second = (await client.get(address)).text
    seen = rows_in(first, "captured") + rows_in(second, "captured")
    assert len(seen) == len(set(seen)) == 60
    assert link_called(second, "Further") is None
    assert "Created in the application" in text_of(first)
