"""What a change costs in requests, with a real daemon and a real backfill: the benchmark's own counts, in small.

Single lines are held nearer to the code: tests/plans/test_requests.py, tests/sending/test_*_travel.py.
"""

import pytest

from tests.bench.report import Fact
from tests.bench.requests import (
    ALIKE,
    company,
    count_adoption,
    count_adoption_of_anothers,
    count_edits,
    count_first_sync,
)
from tests.host.databases import Databases

pytestmark = pytest.mark.anyio

COUNT = 6


def values(facts: list[Fact]) -> dict[str, str]:
    """By the names of the figures."""
    return {fact.name: fact.value for fact in facts}


async def test_what_a_change_of_each_kind_costs_and_what_is_not_asked_for(databases: Databases) -> None:
    async with company(databases) as (host, zoho):
        first = await count_first_sync(host, zoho, COUNT)
        edits = await count_edits(host, zoho)
        adoption = values(await count_adoption(host, zoho, COUNT))
    assert values(first) == {
        "first sync: a customer": "1.00",
        "first sync: a service": "1.00",
        "first sync: an invoice, opened, with its payment": "3.00",
        "first sync: read for all of them": "GET /organizations 1, GET /plans 1, GET /settings/taxes 1",
        "first sync: access tokens": "1",
    }
    assert values(edits) == {
        "update that changes no value": "0.00",
        "update that changes nothing for Zoho": "0.00",
        "20 edits of one row": "1",
        "20 edits of one row, the first in flight": "2",
    }
    assert {fact.verdict for fact in first + edits} == {"reached"}
    # Customers and services that are there already are looked up by one page of a list for all of them.
    a_page = f"{1 / COUNT:.3f}"
    for what, writes in (("customer", "1.00"), ("service", "0.00")):
        assert (adoption[f"adoption: look-ups, {what}"], adoption[f"adoption: writes, {what}"]) == (a_page, writes)
    # An invoice is read before it is believed to be ours, and once more for each payment among many of one amount.
    assert adoption["adoption: look-ups, invoice"] == f"{1 + (1 + ALIKE) / COUNT:.3f}"
    assert adoption["adoption: writes, invoice"] == "0.00"
    (payments,) = (value for name, value in adoption.items() if name.startswith("adoption: writes, payment"))
    assert payments == "0.00"


async def test_a_customer_of_another_integration_costs_one_look_and_one_write(databases: Databases) -> None:
    async with company(databases) as (host, zoho):
        counted = values(await count_adoption_of_anothers(host, zoho, COUNT))
    assert counted == {
        "adoption: look-ups, customer of another integration": f"{1 + 1 / COUNT:.3f}",
        "adoption: writes, customer of another integration": "1.00",
    }
