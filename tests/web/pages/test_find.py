"""From a number to a row."""

import httpx
import pytest

from tests.web.pages.reading import OVERVIEW, read
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio


async def found(client: httpx.AsyncClient, wanted: str) -> str | None:
    answer = await client.get(f"{OVERVIEW}/find", params={"q": wanted})
    location: str | None = answer.headers.get("location")
    return location


async def test_a_number_leads_to_its_row(client: httpx.AsyncClient, stories: Stories) -> None:
    customer = stories.customer(account_number="CT-2025-00777")
    invoice = stories.invoice(customer)
    number = stories.host.value("SELECT invoice_number FROM public.customer_invoices WHERE id = %s", [invoice])
    assert await found(client, " CT-2025-00777 ") == f"{OVERVIEW}/customer/{customer}"
    assert await found(client, number) == f"{OVERVIEW}/invoice/{invoice}"
    assert await found(client, str(invoice)) == f"{OVERVIEW}/invoice/{invoice}"
    assert await found(client, str(invoice).upper()) == f"{OVERVIEW}/invoice/{invoice}"


async def test_what_nobody_is_called_is_said_and_shown_as_text(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{OVERVIEW}/find", params={"q": "<b>nobody</b>"})
    assert answer.status_code == 404
    assert "&lt;b&gt;nobody" in answer.text
    assert "<b>" not in answer.text
    await read(client, "/find", status=404)
    await read(client, "/find?q=%00%ff", status=404)
    await read(client, f"/find?q={'x' * 5000}", status=404)
