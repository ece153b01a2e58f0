"""Dead letters by cause."""

import re

import httpx
import pytest

from outbox.store import dashboard
from tests.web.pages.reading import OVERVIEW, link_called, read, rows_in, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio


async def test_without_dead_letters_the_page_says_what_would_be_here(client: httpx.AsyncClient) -> None:
    assert "Nothing has failed for good." in await read(client, "/failed")


async def test_letters_that_differ_in_names_and_numbers_alone_have_one_cause(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    for number in range(3):
        stories.dead(f'HTTP 400 code 3062: Customer "A{number}" has no address {number}17. Correct CT-2025-{number}')
    stories.dead("HTTP 400 code 3063: Customer has no phone. Correct it", business_name="Karoo Crust Bakery")
    page = (await client.get(f"{OVERVIEW}/failed")).text
    words = text_of(page)
    assert "Failed 4 records" in words
    assert re.search(r"3 customers HTTP 400 code 3062: Customer … has no address …", words)
    assert "Customer Karoo Crust Bakery" in words, "one alone is called by its name"
    assert link_called(page, "3 customers") is not None


async def test_a_causes_page_shows_each_letter_once(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = {str(stories.dead(f"refused {number}")[0]) for number in range(60)}
    other, _ = stories.dead("another reason")
    address = link_called((await client.get(f"{OVERVIEW}/failed")).text, "60 customers")
    seen: list[str] = []
    while address is not None:
        page = (await client.get(address)).text
        assert "60 customers failed alike" in text_of(page)
        seen += [letter.removeprefix("customer-") for letter in rows_in(page, "letter")]
        address = link_called(page, "Older")
    assert len(seen) == 60
    assert set(seen) == dead
    assert str(other) not in seen


async def test_a_flood_of_letters_is_grouped_as_far_as_it_is_bounded_and_says_so(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "MOST_DEAD", 4)
    for number in range(6):
        stories.dead(f"refused {number}")
    page = await read(client, "/failed")
    assert "Failed 6 records" in page
    assert "4 of 6 records are sorted by cause and counted here." in page


async def test_a_cause_that_is_gone_says_so(client: httpx.AsyncClient) -> None:
    assert "Nothing of this cause is left" in await read(client, "/failed/customer-0123456789abcdef")
    for key in ("elsewhere", "estimate-0123456789abcdef", "customer-0123456789ABCDEF", "customer-"):
        await read(client, f"/failed/{key}", status=404)
