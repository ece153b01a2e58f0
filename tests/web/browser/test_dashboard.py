"""The dashboard as a person uses it, in a real Chromium before a real daemon."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import anyio
import pytest
from playwright.async_api import Browser, Locator, expect

from outbox.simulator.faults import FaultKind, FaultRule
from tests.acceptance.running import until
from tests.web.browser.chromium import needs_chromium
from tests.web.browser.conftest import NAME, Dashboard, Person, somebody
from tests.web.pages.stories import Stories

pytestmark = [pytest.mark.anyio, pytest.mark.slow, needs_chromium]

REFUSAL = "Phone number is not valid"


@pytest.fixture(autouse=True)
async def nothing_from_outside(person: Person, dashboard: Dashboard) -> AsyncIterator[None]:
    """Whatever a test does: no request leaves to another host, and the policy has nothing to complain about."""
    yield
    assert person.hosts() == {dashboard.url.removeprefix("http://")}
    assert [said for said in person.console if "Content Security Policy" in said or said.startswith("error:")] == [
        said for said in person.console if "status of 40" in said or "ERR_" in said
    ]


async def synced(dashboard: Dashboard, number: int = 1, **columns: Any) -> UUID:
    """A customer that the daemon has brought to Zoho."""
    customer = dashboard.host.add_customer(number, **columns)
    await until(lambda: dashboard.host.shown(customer)[0] == "synced", what="synced")
    return customer


async def failed(dashboard: Dashboard, number: int = 1, **columns: Any) -> UUID:
    """A customer that Zoho refused."""
    dashboard.zoho.faults.add(
        FaultRule(kind=FaultKind.REFUSED, method="POST", path="/customers", code=3006, message=REFUSAL)
    )
    customer = dashboard.host.add_customer(number, **columns)
    await until(lambda: dashboard.host.shown(customer)[0] == "failed", what="failed")
    return customer


async def seen(person: Person, wanted: Locator) -> None:
    """Refreshes by hand until it is to be seen."""
    with anyio.fail_after(30):
        while not await wanted.is_visible():
            await person.page.get_by_role("link", name="Refresh", exact=True).click()
            await anyio.sleep(0.1)


async def half_a_minute_later(person: Person) -> None:
    """The page's own clock goes on."""
    await person.page.clock.run_for(31_000)


async def test_a_dead_letter_is_filtered_for_opened_retried_and_seen_to_become_synced(
    person: Person, dashboard: Dashboard
) -> None:
    page = person.page
    await synced(dashboard, 1, first_name="Naledi", last_name="Dube")
    customer = await failed(dashboard, 2, first_name="Bongani", last_name="Mokoena")

    await page.goto(dashboard.overview)
    await page.get_by_label("Result").select_option("Failed")
    await page.get_by_role("button", name="Show").click()
    rows = page.get_by_role("table", name="Recent activity").get_by_role("row")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("Bongani Mokoena")
    await expect(rows.nth(1)).to_contain_text("Phone number is not valid")

    await page.get_by_role("link", name="Bongani Mokoena").click()
    await expect(page).to_have_url(re.compile(str(customer)))
    await expect(page.get_by_role("heading", name="Failed: needs a person")).to_be_visible()
    await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_role("status").filter(has_text="is sent again")).to_be_visible()
    await seen(person, page.get_by_role("heading", name="In sync"))
    assert dashboard.host.shown(customer)[0] == "synced"
    assert [entry["requested_by"] for entry in dashboard.host.entries(customer)] == [NAME]
    assert f"Asked for again by {NAME}" in await page.inner_text("main")


async def test_dead_letters_of_one_cause_are_sent_again_together_or_set_aside_with_a_reason(
    person: Person, dashboard: Dashboard
) -> None:
    page = person.page
    customers = [await failed(dashboard, number) for number in (1, 2, 3)]

    await page.get_by_role("link", name="Failed", exact=True).first.click()
    await page.get_by_role("link", name="3 customers", exact=True).click()
    letter = page.locator(f"#letter-customer-{customers[0]}")
    await letter.locator("summary").click()
    await letter.get_by_label("Why it is not to be sent").fill("A test account")
    await letter.get_by_role("button", name="Set aside").click()
    await expect(page.get_by_text("is set aside")).to_be_visible()
    await until(lambda: dashboard.host.shown(customers[0]) == ("skipped", "A test account"), what="skipped")

    await page.goto(f"{dashboard.overview}/failed")
    await page.get_by_role("button", name="Send all again").click()
    await expect(page.get_by_role("status").filter(has_text="2 records are sent again")).to_be_visible()
    for customer in customers[1:]:
        await until(lambda customer=customer: dashboard.host.shown(customer)[0] == "synced", what="synced")  # type: ignore[misc]
    await seen(person, page.get_by_text("Nothing has failed for good."))


async def test_sending_is_paused_under_a_name_with_a_reason_and_goes_on_afterwards(
    person: Person, dashboard: Dashboard
) -> None:
    page = person.page
    await page.get_by_text("Pause sending …").click()
    await page.get_by_label("Why sending is to stop").fill("Finance closes the month")
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="Sending is paused.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    await expect(page.locator("#sending")).to_contain_text(f"Paused by {NAME}: Finance closes the month")

    customer = dashboard.host.add_customer(1)
    await page.goto(f"{dashboard.overview}/work")
    await seen(person, page.locator(f"a[href$='{customer}']"))
    assert dashboard.host.shown(customer)[0] != "synced"

    await page.goto(dashboard.overview)
    await page.get_by_role("button", name="Resume sending").click()
    await expect(page.get_by_role("heading", name="Running")).to_be_visible()
    await until(lambda: dashboard.host.shown(customer)[0] == "synced", what="synced")
    log = dashboard.daemon.events()
    actions = [(event["operator"], event["action"], event.get("why")) for event in log if "action" in event]
    assert actions == [(NAME, "pause", "Finance closes the month"), (NAME, "resume", None)]


async def test_a_wrong_token_is_refused_and_says_so(chromium: Browser, dashboard: Dashboard) -> None:
    async with somebody(chromium) as stranger:
        await stranger.sign_in(dashboard, token="not-the-token-that-the-daemon-knows")
        await expect(stranger.page.get_by_role("alert")).to_contain_text("not the admin token")
        await stranger.page.goto(f"{dashboard.overview}/failed")
        await expect(stranger.page).to_have_url(re.compile("/sign-in"))


async def test_a_script_in_a_name_is_shown_as_text(person: Person, dashboard: Dashboard) -> None:
    page = person.page
    name = "<script>window.ours = 1</script><img src=x onerror='window.ours = 2'>"
    customer = await failed(dashboard, 1, business_name=name)
    for address in ("", "/failed", f"/customer/{customer}", "/find?q=<script>window.ours=3</script>"):
        await page.goto(f"{dashboard.overview}{address}")
        if not address.startswith("/find"):
            assert name in await page.inner_text("main")
        assert await page.evaluate("window.ours") is None
    assert await page.locator("main script, main img").count() == 0


async def test_an_ended_session_is_said_on_the_page_and_leads_back_after_signing_in(
    person: Person, dashboard: Dashboard
) -> None:
    page = person.page
    await page.goto(f"{dashboard.overview}/work?standing=waiting")
    before = await page.inner_text("#updated")
    await page.context.clear_cookies()
    await page.get_by_role("link", name="Refresh", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("Your session has ended.")
    await expect(page.get_by_role("status")).to_contain_text(before)
    await page.get_by_role("link", name="Sign in again").click()
    await page.get_by_label("Your name").fill(NAME)
    await page.get_by_label("Admin token").fill("an-admin-token-of-a-browser-test-0123")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{dashboard.overview}/work?standing=waiting")


async def test_a_refresh_takes_nothing_away_from_whoever_reads(person: Person, dashboard: Dashboard) -> None:
    page, stories = person.page, Stories(dashboard.host)
    customer = await synced(dashboard, 1, first_name="Naledi", last_name="Dube")
    for _ in range(40):
        stories.attempt(customer, error_message="one of many")
    await page.clock.install()
    await page.goto(f"{dashboard.overview}?type=customer&within=day")
    await page.locator("#pause summary").click()
    await page.get_by_label("Why sending is to stop").fill("half a sentence")
    await page.get_by_label("Result").select_option("Failed")
    row = page.locator("tbody tr").nth(12)
    identity = await row.get_attribute("id")
    link = page.locator(f"#{identity} a")
    await link.focus()
    await link.evaluate("node => node.scrollIntoView({block: 'center'})")
    top = await link.evaluate("node => node.getBoundingClientRect().top")
    # A mark: the moment itself is the same where all this takes less than a second.
    await page.locator("#updated").evaluate("node => node.setAttribute('datetime', 'before')")

    fresh = [str(stories.attempt(customer, error_message="arrived meanwhile")) for _ in range(3)]
    await half_a_minute_later(person)
    await expect(page.locator(f"#log-{fresh[0]}")).to_be_attached()

    assert await page.evaluate("document.activeElement.closest('tr')?.id") == identity
    assert abs(await link.evaluate("node => node.getBoundingClientRect().top") - top) <= 1
    assert await page.get_by_label("Why sending is to stop").input_value() == "half a sentence"
    assert await page.get_by_label("Result").input_value() == "failed", "what was chosen, and not yet asked for"
    assert await page.get_by_label("Type", exact=True).input_value() == "customer"
    assert await page.locator("#pause").get_attribute("open") is not None
    assert await page.locator("#updated").get_attribute("datetime") != "before"
    assert page.url == f"{dashboard.overview}?type=customer&within=day"
    assert await page.get_by_role("status").inner_text() == ""


async def test_a_refresh_that_fails_is_said_with_the_age_of_what_is_shown(person: Person, dashboard: Dashboard) -> None:
    page = person.page
    await page.clock.install()
    await page.goto(dashboard.overview)
    shown = await page.inner_text("#updated")
    await page.route("**/admin/zoho-sync", lambda route: route.abort())
    await half_a_minute_later(person)
    await expect(page.get_by_role("status")).to_contain_text("could not be refreshed")
    await expect(page.get_by_role("status")).to_contain_text(shown)
    await page.unroute("**/admin/zoho-sync")
    await half_a_minute_later(person)
    await expect(page.get_by_role("status")).to_be_empty()


async def test_whoever_reads_can_hold_the_page_as_it_is(person: Person, dashboard: Dashboard) -> None:
    page = person.page
    await page.clock.install()
    await page.goto(dashboard.overview)
    await page.get_by_role("button", name="Stop refreshing").click()
    asked = len(person.asked)
    await half_a_minute_later(person)
    assert len(person.asked) == asked
    await page.get_by_role("button", name="Refresh by itself").click()
    await expect(page.get_by_role("button", name="Stop refreshing")).to_be_visible()
    await until(lambda: len(person.asked) > asked, what="a refresh")


async def test_everything_is_reached_by_keyboard(person: Person, dashboard: Dashboard) -> None:
    page = person.page
    customer = await failed(dashboard, 1)
    await page.goto(f"{dashboard.overview}/failed")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    reached = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.innerText?.split('\\n')[0].trim()"))
        if reached[-1].startswith("Send again"):
            break
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (reached[-1].startswith("Send again"), outline) == (True, "solid"), reached
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="sent again")).to_be_visible()
    await until(lambda: dashboard.host.shown(customer)[0] == "synced", what="synced")


async def test_without_javascript_everything_works_but_the_refreshing(chromium: Browser, dashboard: Dashboard) -> None:
    customer = await failed(dashboard, 1, first_name="Bongani", last_name="Mokoena")
    async with somebody(chromium, java_script_enabled=False) as plain:
        page = plain.page
        await plain.sign_in(dashboard)
        await page.wait_for_url(dashboard.overview)
        assert not await page.locator("#hold").is_visible()
        await page.locator("#status").select_option("failed")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_role("link", name="Bongani Mokoena").click()
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("is sent again")).to_be_visible()
        await until(lambda: dashboard.host.shown(customer)[0] == "synced", what="synced")
        await page.get_by_role("link", name="Refresh", exact=True).click()
        await expect(page.get_by_role("heading", name="In sync")).to_be_visible()
