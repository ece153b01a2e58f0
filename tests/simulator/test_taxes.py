from collections.abc import Callable

import httpx
import pytest

from outbox.simulator import RunningSimulator

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]

TWO_OF_ONE_RATE = [
    {"tax_id": "71", "tax_name": "VAT", "tax_percentage": 15},
    {"tax_id": "72", "tax_name": "VAT on imports", "tax_percentage": 15},
]


async def test_a_south_african_organisation_has_two_taxes(api: Api) -> None:
    standard, zero = (await api.get("/settings/taxes")).json()["taxes"]
    assert (standard["tax_name"], standard["tax_percentage"], standard["is_default_tax"]) == (
        "Standard Rate",
        "15",
        "true",
    )
    assert (zero["tax_name"], zero["tax_percentage"], zero["is_default_tax"]) == ("Zero Rate", "0", "false")
    assert standard["tax_id"] != zero["tax_id"]


async def test_taxes_can_be_shown_with_numbers_and_booleans(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.taxes_as_text = False
    standard = (await api.get("/settings/taxes")).json()["taxes"][0]
    assert (standard["tax_percentage"], standard["is_default_tax"], standard["is_editable"]) == (15, True, True)


async def test_the_organisation_can_have_two_taxes_of_one_rate(api: Api) -> None:
    assert (await api.control("PATCH", "/settings", {"taxes": TWO_OF_ONE_RATE})).status_code == 200
    rows = (await api.get("/settings/taxes")).json()["taxes"]
    assert [(row["tax_id"], row["tax_percentage"]) for row in rows] == [("71", "15"), ("72", "15")]
    assert (await api.control("GET", "/books")).json()["taxes"] == rows


async def test_the_organisation_can_have_no_tax(api: Api) -> None:
    assert (await api.control("PATCH", "/settings", {"taxes": []})).status_code == 200
    assert (await api.get("/settings/taxes")).json()["taxes"] == []
    invoice_id = await api.bill(await api.create("A"), 115)
    assert (await api.invoice(invoice_id))["tax_total"] == 0


@pytest.mark.parametrize("wrong", [{"tax_percentage": 101}, {"tax_percentage": -1}, {"tax_rate": 15}])
async def test_a_tax_that_makes_no_sense_is_refused(api: Api, wrong: dict[str, int]) -> None:
    tax = {"tax_id": "71", "tax_name": "VAT", "tax_percentage": 15, **wrong}
    assert (await api.control("PATCH", "/settings", {"taxes": [tax]})).status_code == 400


async def test_a_line_without_tax_gets_the_default_one(api: Api) -> None:
    invoice = await api.invoice(await api.bill(await api.create("A"), 115))
    assert invoice["tax_total"] == 15
    assert invoice["invoice_items"][0]["tax_name"] == "Standard Rate"
    assert invoice["taxes"] == [{"tax_name": "Standard Rate", "tax_amount": 15.0}]


async def test_a_line_without_tax_has_none_where_there_is_no_default(api: Api) -> None:
    await api.control("PATCH", "/settings", {"taxes": TWO_OF_ONE_RATE})
    invoice = await api.invoice(await api.bill(await api.create("A"), 115))
    assert (invoice["tax_total"], invoice["invoice_items"][0]["tax_id"]) == (0, "")


async def test_a_line_with_a_tax_has_that_one(api: Api) -> None:
    zero = (await api.get("/settings/taxes")).json()["taxes"][1]["tax_id"]
    line = {"name": "Books", "price": 115, "quantity": 1, "tax_id": zero}
    invoice = await api.invoice(await api.bill(await api.create("A"), invoice_items=[line]))
    assert (invoice["tax_total"], invoice["total"]) == (0, 115)


async def test_a_tax_that_does_not_exist_is_400_4(api: Api, code_of: CodeOf) -> None:
    line = {"name": "Books", "price": 115, "quantity": 1, "tax_id": "1"}
    body = {"customer_id": await api.create("A"), "date": "2026-11-20", "invoice_items": [line]}
    assert code_of(await api.post("/invoices", body)) == (400, 4)
    assert (await api.get("/invoices")).json()["invoices"] == []
