"""Every page for a screen reader, in both colour schemes, on a phone of 320 pixels."""

import importlib.util
from datetime import date

import anyio
import pytest
from playwright.async_api import Browser, expect

from outbox.reconciliation.differences import DifferenceKind
from outbox.reconciliation.sums import Measure
from outbox.vocabulary import EntityType
from tests.acceptance.running import until
from tests.web.browser.chromium import needs_chromium
from tests.web.browser.conftest import Dashboard, Person, somebody
from tests.web.browser.test_dashboard import failed, synced
from tests.web.pages.comparisons import Comparisons
from tests.web.pages.stories import Stories

pytestmark = [pytest.mark.anyio, pytest.mark.slow, needs_chromium]

needs_axe = pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None, reason="no axe: pip install axe-playwright-python"
)

AXE = """async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
'best-practice']})).violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).join(' | ')}`)"""

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1240, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1240, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 320, "height": 640}},
}


async def addresses(dashboard: Dashboard) -> list[str]:
    """Pages with something on them, and without."""
    host, stories = dashboard.host, Stories(dashboard.host)
    well = await synced(dashboard, 1, first_name="Naledi", last_name="Dube")
    ill = await failed(dashboard, 2, business_name="Umhlanga-Rocks-Orthodontics-and-Maxillofacial-Surgery (Pty) Ltd")
    await failed(dashboard, 3)
    for status in ("success", "failed", "retrying") * 12:
        stories.attempt(well, status, error_message="x" * 300 if status == "failed" else "no answer within 30 s")
    invoice = stories.invoice(ill)
    await until(lambda: host.statuses(invoice)[-1][0] == "waiting", what="waiting")
    key = host.value(
        "SELECT entity_type || '-' || left(md5(zoho_outbox_private.cause(last_error)), 16) "
        "FROM zoho_outbox_private.entity_state WHERE phase = 'dead' LIMIT 1"
    )
    comparisons = Comparisons(host)
    run = comparisons.run()
    for kind in DifferenceKind:
        comparisons.find(run, kind, entity_type=EntityType.CUSTOMER, entity_id=ill, mend="enqueue")
        comparisons.find(run, kind, entity_id=None, zoho_id="46001", said="x" * 300)
    comparisons.find(run, None, finding="not_compared")
    comparisons.find(run, None, finding="remark")
    for measure in Measure:
        comparisons.sum(run, date(2026, 10, 1), measure, "12345678.90", "12345678.90")
        comparisons.sum(run, date(2026, 10, 1), measure, "0", "115.00", because="raised_by_zoho", category="recurring")
    return [
        "",
        "/comparison",
        "?type=payment&status=failed&within=hour",
        "/work",
        "/work?standing=waiting",
        "/failed",
        f"/failed/{key}",
        "/failed/customer-0000000000000000",
        f"/customer/{well}",
        f"/customer/{ill}",
        f"/invoice/{invoice}",
        "/find?q=nobody",
        "/elsewhere/1",
    ]


@needs_axe
@pytest.mark.timeout(600)
async def test_axe_finds_nothing_on_any_page(chromium: Browser, dashboard: Dashboard) -> None:
    axe = await anyio.Path(_axe_file()).read_text(encoding="utf-8")
    found = []
    pages = await addresses(dashboard)
    for look, options in LOOKS.items():
        # The policy forbids what axe must do; the pages' own scripts stay under it elsewhere.
        async with somebody(chromium, bypass_csp=True, **options) as person:
            await person.page.goto(dashboard.overview)
            found += await _violations(person, axe, f"{look} sign-in")
            await person.sign_in(dashboard)
            await person.page.wait_for_url(dashboard.overview)
            for address in pages:
                await person.page.goto(f"{dashboard.overview}{address}")
                for summary in await person.page.locator("summary").all():
                    await summary.click()
                found += await _violations(person, axe, f"{look} {address}")
            await person.page.goto(f"{dashboard.overview}/failed")
            await person.page.context.clear_cookies()
            await person.page.get_by_role("button", name="Send").first.click()
            await expect(person.page.get_by_role("heading", name="Your session has ended")).to_be_visible()
            found += await _violations(person, axe, f"{look} refused")
    assert found == []


@needs_axe
async def test_axe_would_find_a_field_without_a_label(person: Person) -> None:
    """Else the test above could not fail."""
    axe = await anyio.Path(_axe_file()).read_text(encoding="utf-8")
    await person.page.evaluate("document.querySelectorAll('label').forEach(label => label.remove())")
    assert any("label" in one or "select-name" in one for one in await _violations(person, axe, "overview"))


async def test_no_page_scrolls_sideways_on_a_phone_of_320_pixels(chromium: Browser, dashboard: Dashboard) -> None:
    pages = await addresses(dashboard)
    too_wide = {}
    async with somebody(chromium, viewport={"width": 320, "height": 640}) as person:
        await person.sign_in(dashboard)
        await person.page.wait_for_url(dashboard.overview)
        for address in pages:
            await person.page.goto(f"{dashboard.overview}{address}")
            for summary in await person.page.locator("summary").all():
                await summary.click()
            width = await person.page.evaluate("document.scrollingElement.scrollWidth")
            if width > 320:
                too_wide[address] = (width, await person.page.evaluate(_WIDEST))
    assert too_wide == {}


_WIDEST = """() => [...document.querySelectorAll('main *, header *')].filter(
    one => one.getBoundingClientRect().right > 320 && !one.closest('pre, .unseen')
).map(one => one.tagName + '.' + one.className).slice(0, 5)"""


def _axe_file() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.submodule_search_locations is not None
    return f"{found.submodule_search_locations[0]}/axe.min.js"


async def _violations(person: Person, axe: str, where: str) -> list[str]:
    await person.page.evaluate(axe)
    return [f"{where}: {one}" for one in await person.page.evaluate(AXE)]
