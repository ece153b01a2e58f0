"""One row's page: explain for people."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from daemon.web.application import build
from daemon.web.context import Context
from outbox.settings import Settings
from tests.host import databases
from tests.store.conftest import new_settings
from tests.web.conftest import TOKEN, browser, sign_in
from tests.web.pages.reading import OVERVIEW, link_called, read, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio


async def test_a_dead_row_says_why_and_what_to_do(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, _ = stories.dead("HTTP 400 code 3062: the e-mail is no e-mail. Correct it", first_name="Naledi")
    page = await read(client, f"/customer/{customer}")
    assert "Failed: needs a person" in page
    assert "the e-mail is no e-mail. Correct it" in page
    assert "What to do Correct what it says." in page
    assert "Set aside" in page


async def test_a_waiting_row_links_what_it_waits_for(client: httpx.AsyncClient, stories: Stories) -> None:
    parent, _ = stories.dead(business_name="Karoo Crust Bakery")
    invoice = stories.waiting(parent)
    page = (await client.get(f"{OVERVIEW}/invoice/{invoice}")).text
    assert link_called(page, "Karoo Crust Bakery") == f"{OVERVIEW}/customer/{parent}"
    assert "Correct that record first." in text_of(page)


async def test_attempts_stand_in_a_timeline_with_request_and_reply_as_stored(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer = stories.synced()
    stories.attempt(
        customer,
        duration_ms=2345,
        api_calls=2,
        attempt_number=1,
        request_payload={"method": "PUT", "body": {"email": "n•••", "total": "10.50"}},
        response_payload={"http_status": 200, "body": {"note": "</pre><script>alert(1)</script>"}},
    )
    page = (await client.get(f"{OVERVIEW}/customer/{customer}")).text
    words = text_of(page)
    assert "attempt 1 · 2.3 s · 2 requests" in words
    assert '"email": "n•••"' in words
    assert '"total": "10.50"' in words
    assert "</pre><script>" not in page
    assert "Created in the application" in words


async def test_moments_in_the_sentence_are_in_the_companys_zone(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, _ = stories.dead()
    stories.host.interfere("UPDATE zoho_outbox_private.entity_state SET due_at = '2020-03-04 10:00:00+00'")
    page = (await client.get(f"{OVERVIEW}/customer/{customer}")).text
    assert "4 Mar 2020 12:00" in text_of(page)
    assert 'title="4 March 2020, 12:00:00 SAST"' in page
    assert "10:00:00 UTC" not in text_of(page).partition("At a command line")[0]


async def test_a_row_that_nobody_knows_is_not_found(client: httpx.AsyncClient) -> None:
    nobody = uuid4()
    assert f"There is no customer {nobody}" in await read(client, f"/customer/{nobody}", status=404)
    assert "There is no such page." in await read(client, f"/estimate/{nobody}", status=404)
    assert "There is no such page." in await read(client, "/customer/1", status=404)


async def test_a_row_in_zoho_links_into_zoho_unless_zoho_is_the_simulator(
    client: httpx.AsyncClient,
    stories: Stories,
    new_context: Callable[[Settings], Context],
    migrated_database: databases.Database,
) -> None:
    customer = stories.synced()
    zoho_id = stories.host.state(customer)["zoho_id"]
    stories.host.interfere("UPDATE zoho_outbox_private.installation SET zoho_organization_id = '10234695'")
    assert "Open in Zoho" not in await read(client, f"/customer/{customer}")
    real = new_settings(
        migrated_database,
        OUTBOX_ADMIN_TOKEN=TOKEN,
        ZOHO_REGION="eu",
        ZOHO_API_BASE_URL="https://www.zohoapis.eu/billing/v1",
        ZOHO_ACCOUNTS_BASE_URL="https://accounts.zoho.eu",
    )
    async with browser(build(new_context(real))) as person:
        await sign_in(person)
        page = (await person.get(f"{OVERVIEW}/customer/{customer}")).text
    assert f'href="https://billing.zoho.eu/app/10234695#/customers/{zoho_id}"' in page


async def test_who_set_a_row_aside_and_why_stands_on_its_page(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, entry = stories.dead()
    with stories.host.operator() as operator:
        operator.execute("SELECT * FROM zoho_outbox_skip(%s, 'never a customer')", [entry])
    page = await read(client, f"/customer/{customer}")
    assert "Skipped" in page
    assert "never a customer" in page
    assert "finance_operator" in page


async def test_where_edits_go_unnoticed_no_edit_is_advised(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, _ = stories.dead()
    stories.host.interfere("ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_updated")
    page = await read(client, f"/customer/{customer}")
    assert "triggers are missing or disabled: zoho_outbox_updated" in page
    assert "Saving the record in the application sends it again" not in page
    assert "What to do Have the triggers back" in page


async def test_a_row_that_was_never_captured_has_no_button_that_would_be_refused(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer = stories.customer()
    stories.admit(customer, status="done", outcome="unchanged", finished_at="now")
    stories.host.interfere("DELETE FROM public.zoho_outbox WHERE entity_id = %s", [customer])
    page = await read(client, f"/customer/{customer}")
    assert "Never captured" in page
    assert "Save the record in the application" in page
    assert "Send again" not in page


async def test_a_retry_that_is_held_up_says_first_what_holds_it_up(client: httpx.AsyncClient, stories: Stories) -> None:
    customer = stories.customer()
    stories.admit(customer)
    stories.state(customer, "scheduled", last_error="no answer")
    stories.host.interfere(
        "UPDATE zoho_outbox_private.organisation "
        "SET paused_at = now(), paused_by = 'Sipho Dlamini', paused_why = 'audit'"
    )
    page = await read(client, f"/customer/{customer}")
    assert "sending was paused by Sipho Dlamini: audit" in page
    assert "it is tried again by itself" not in page
