"""Pictures of every page, light, dark and on a phone: ``python -m tests.web.browser.screenshots FOLDER``."""

import sys
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.browser.chromium import ARGUMENTS, CHROMIUM
from tests.web.browser.demo_day import Morning, demo_day

DESK = {"width": 1240, "height": 900}
PHONE = {"width": 360, "height": 740}

README_HEIGHT = 1072
"""Down to the charts: the picture in the README."""

LOOKS = {
    "light": ("light", DESK, 1.0),
    "dark": ("dark", DESK, 1.0),
    "phone": ("light", PHONE, 2.0),
    "phone-dark": ("dark", PHONE, 2.0),
}


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with demo_day() as morning, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        try:
            pages = _pages(morning)
            for look, (scheme, size, scale) in LOOKS.items():
                _take(browser, morning, pages, folder, look, scheme, size, scale)
            _states(browser, morning, folder)
        finally:
            browser.close()


def _pages(morning: Morning) -> dict[str, str]:
    """Address by name; rows that show something are looked up."""
    with psycopg.connect(morning.superuser_dsn) as superuser:

        def row(query: str) -> str:
            found = superuser.execute(query.encode()).fetchone()
            assert found is not None, query
            return f"/{found[0]}/{found[1]}"

        dead = row(
            "SELECT entity_type, entity_id FROM zoho_outbox_private.entity_state WHERE phase = 'dead' "
            "AND entity_type = 'invoice' LIMIT 1"
        )
        waiting = row(
            "SELECT entity_type, entity_id FROM zoho_outbox_private.entity_state WHERE phase = 'waiting' "
            "ORDER BY entity_type LIMIT 1"
        )
        synced = row(
            "SELECT state.entity_type, state.entity_id FROM zoho_outbox_private.entity_state AS state "
            "JOIN public.zoho_sync_logs AS log USING (entity_id) "
            "WHERE phase = 'idle' AND state.entity_type = 'invoice' "
            "AND log.request_payload IS NOT NULL AND shown_status = 'synced' "
            "GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1"
        )
        (key,) = superuser.execute(
            "SELECT entity_type || '-' || left(md5(zoho_outbox_private.cause(last_error)), 16) "
            "FROM zoho_outbox_private.entity_state WHERE phase = 'dead' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        ).fetchone() or ("",)
    return {
        "overview": "",
        "work": "/work?standing=waiting",
        "failed": "/failed",
        "comparison": "/comparison",
        "cause": f"/failed/{key}",
        "dead": dead,
        "waiting": waiting,
        "synced": synced,
        "nothing": "/work?standing=retrying",
    }


def _take(
    browser: Browser,
    morning: Morning,
    pages: dict[str, str],
    folder: Path,
    look: str,
    scheme: str,
    size: dict[str, int],
    scale: float,
) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size["width"], "height": size["height"]},
        device_scale_factor=scale,
    )
    page = context.new_page()
    page.goto(f"{morning.url}/admin/zoho-sync")
    page.screenshot(path=folder / f"sign-in-{look}.png")
    _sign_in(page, morning)
    for name, address in pages.items():
        page.goto(f"{morning.url}/admin/zoho-sync{address}")
        if name == "synced":
            page.locator("summary", has_text="Request and reply").first.click()
        if name == "cause":
            page.locator("summary", has_text="Set aside").first.click()
        page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
    context.close()


def _sign_in(page: Page, morning: Morning) -> None:
    page.get_by_label("Your name").fill("Lerato Nkosi")
    page.get_by_label("Admin token").fill(morning.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/zoho-sync")
    page.reload()


def _states(browser: Browser, morning: Morning, folder: Path) -> None:
    context = browser.new_context(viewport={"width": DESK["width"], "height": README_HEIGHT})
    page = context.new_page()
    page.goto(f"{morning.url}/admin/zoho-sync")
    _sign_in(page, morning)
    page.screenshot(path=folder / "dashboard.png")
    page.goto(f"{morning.url}/admin/zoho-sync/find?q=INV-2019-00001")
    page.screenshot(path=folder / "not-found-light.png")
    page.goto(f"{morning.url}/admin/zoho-sync")
    page.get_by_text("Pause sending …").click()
    page.get_by_label("Why sending is to stop").fill("Month end: finance closes the books until 10:00")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.screenshot(path=folder / "paused-light.png")
    page.get_by_role("button", name="Resume sending").click()
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
