"""What people get in place of the page that they asked for: a page with the way on."""

import httpx
import pytest

from daemon.web.context import Context
from outbox.database import DatabaseUnavailable
from tests.store.host import Host
from tests.web.conftest import BASE, csrf_token_in
from tests.web.pages.reading import OVERVIEW, link_called, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio

PAUSE = f"{OVERVIEW}/pause"
FAILED = f"{OVERVIEW}/failed?before=x&y=1"


async def test_a_button_after_the_session_ended_leads_over_the_sign_in_back_to_its_page(
    stranger: httpx.AsyncClient, host: Host
) -> None:
    answer = await stranger.post(PAUSE, data={"reason": "audit"}, headers={"referer": BASE + FAILED})
    assert answer.status_code == 401
    assert "Your session has ended Nothing was done. Sign in again, and repeat it." in text_of(answer.text)
    address = link_called(answer.text, "Sign in again")
    assert address is not None
    page = (await stranger.get(address)).text
    assert '<input type="hidden" name="next" value="/admin/zoho-sync/failed?before=x&amp;y=1">' in page
    assert host.value("SELECT paused_at FROM zoho_outbox_private.organisation") is None


@pytest.mark.parametrize(
    "referer",
    ["https://example.com/admin/zoho-sync", f"{BASE}/metrics", "http://[", "javascript:alert(1)", f"{BASE}//x", ""],
)
async def test_the_way_back_is_a_page_of_ours_whatever_the_browser_says(
    stranger: httpx.AsyncClient, referer: str
) -> None:
    answer = await stranger.post(PAUSE, data={"reason": "audit"}, headers={"referer": referer})
    address = link_called(answer.text, "Sign in again")
    assert address == "/admin/zoho-sync/sign-in?next=%2Fadmin%2Fzoho-sync"


async def test_a_form_that_has_grown_old_leads_back_to_its_page(client: httpx.AsyncClient) -> None:
    answer = await client.post(PAUSE, data={"reason": "audit", "csrf_token": "old"}, headers={"referer": BASE + FAILED})
    assert answer.status_code == 403
    assert "This was not done" in text_of(answer.text)
    assert "load the page again, and repeat it." in text_of(answer.text)
    assert link_called(answer.text, "Back to the page") == FAILED


@pytest.fixture
def absent(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away."""

    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("connection refused")

    monkeypatch.setattr(context.organisation, "now", away)


@pytest.mark.usefixtures("absent")
async def test_a_page_without_its_database_says_so_and_how_to_try_again(client: httpx.AsyncClient) -> None:
    address = f"{OVERVIEW}/work?standing=waiting&after=%3Cb%3E"
    answer = await client.get(address)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "the database does not answer." in text_of(answer.text)
    assert link_called(answer.text, "Try again") == address
    assert answer.headers["cache-control"] == "no-store"


async def test_of_a_change_that_was_cut_off_nobody_says_that_it_was_not_made(
    client: httpx.AsyncClient, stories: Stories, request: pytest.FixtureRequest
) -> None:
    customer, _ = stories.dead()
    token = csrf_token_in((await client.get(OVERVIEW)).text)
    request.getfixturevalue("absent")
    answer = await client.post(f"{OVERVIEW}/customer/{customer}/retry", data={"csrf_token": token})
    assert answer.status_code == 503
    assert "Whether it was done is not known" in text_of(answer.text)
    assert "This was not done" not in answer.text
    assert link_called(answer.text, "Back to the page") == OVERVIEW


@pytest.mark.usefixtures("absent")
async def test_a_script_and_a_program_get_no_page(client: httpx.AsyncClient, api: httpx.AsyncClient) -> None:
    answer = await client.get(OVERVIEW, headers={"sec-fetch-mode": "cors"})
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/plain")
    told = await api.post("/api/admin/zoho-sync/retry", json={"reason": "x" * 100_000})
    assert (told.status_code, list(told.json())) == (413, ["error"])
    told = await client.post("/api/admin/zoho-sync/retry", json={})
    assert (told.status_code, list(told.json())) == (403, ["error"])


async def test_style_and_script_are_kept_for_an_hour_and_pages_are_not(client: httpx.AsyncClient) -> None:
    for name in ("dashboard.css", "refresh.js", "icon.svg"):
        answer = await client.get(f"{OVERVIEW}/static/{name}")
        assert answer.headers["cache-control"] == "public, max-age=3600"
        again = await client.get(f"{OVERVIEW}/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, "public, max-age=3600")
    assert (await client.get(f"{OVERVIEW}/static/nothing.css")).headers["cache-control"] == "no-store"
    assert (await client.get(OVERVIEW)).headers["cache-control"] == "no-store"
