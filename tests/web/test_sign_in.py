"""Who may see and change anything, and how it is held."""

from collections.abc import Callable

import httpx
import pytest
import structlog.testing
from starlette.applications import Starlette

from daemon.web.application import build
from daemon.web.attempts import MOST_ADDRESSES, FailedAttempts
from daemon.web.context import Context
from daemon.web.sessions import COOKIE, SESSION_SECONDS, SessionSigner
from outbox.clock import ManualClock
from outbox.logs import Event
from outbox.settings import Settings
from tests.host import databases
from tests.store.conftest import new_settings
from tests.web.conftest import SIGN_IN, TOKEN, browser, sign_in

pytestmark = pytest.mark.anyio

DASHBOARD = "/admin/zoho-sync"
STATUS = "/api/admin/zoho-sync/status"
RETRY = "/api/admin/zoho-sync/retry"
SIGN_OUT = "/admin/zoho-sync/sign-out"
NOBODY = {"entity_type": "customer", "entity_id": "00000000-0000-4000-8000-000000000000"}


async def csrf_token(client: httpx.AsyncClient, application: Starlette) -> str:
    """The token of the client's session, as its pages carry it."""
    cookie = client.cookies[COOKIE]
    signer = SessionSigner(TOKEN)
    session = signer.read(cookie, 0.0)
    assert session is not None
    return signer.csrf_token(session)


class TestThePage:
    async def test_name_and_token_open_the_dashboard(self, stranger: httpx.AsyncClient) -> None:
        answer = await sign_in(stranger)
        assert (answer.status_code, answer.headers["location"]) == (303, DASHBOARD)
        assert (await stranger.get(DASHBOARD)).status_code == 200

    async def test_whoever_is_not_signed_in_is_sent_there_and_back(self, stranger: httpx.AsyncClient) -> None:
        turned_away = await stranger.get(f"{DASHBOARD}/work?page=2")
        assert turned_away.status_code == 303
        where = turned_away.headers["location"]
        assert where == f"{SIGN_IN}?next=%2Fadmin%2Fzoho-sync%2Fwork%3Fpage%3D2"
        page = await stranger.get(where)
        assert 'name="next" value="/admin/zoho-sync/work?page=2"' in page.text
        answer = await stranger.post(
            SIGN_IN, data={"name": "Anna", "token": TOKEN, "next": "/admin/zoho-sync/work?page=2"}
        )
        assert answer.headers["location"] == "/admin/zoho-sync/work?page=2"

    @pytest.mark.parametrize(
        "elsewhere",
        ["https://example.com/", "//example.com/", "/\\example.com", "/admin/zoho-sync\\@example.com", "/metrics", "x"],
    )
    async def test_nobody_is_sent_to_another_site(self, stranger: httpx.AsyncClient, elsewhere: str) -> None:
        answer = await stranger.post(SIGN_IN, data={"name": "Anna", "token": TOKEN, "next": elsewhere})
        assert answer.headers["location"] == DASHBOARD

    async def test_what_only_looks_like_a_file_is_no_file(self, stranger: httpx.AsyncClient) -> None:
        answer = await stranger.get("/admin/zoho-sync/static")
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, SIGN_IN)

    async def test_a_script_is_told_that_the_session_has_ended_and_gets_no_page(
        self, stranger: httpx.AsyncClient
    ) -> None:
        answer = await stranger.get(DASHBOARD, headers={"sec-fetch-mode": "cors"})
        assert answer.status_code == 401

    async def test_a_wrong_token_opens_nothing(self, stranger: httpx.AsyncClient) -> None:
        answer = await sign_in(stranger, token=TOKEN[:-1])
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert TOKEN[:-1] not in answer.text
        assert (await stranger.get(DASHBOARD)).status_code == 303

    @pytest.mark.parametrize("name", ["", "   ", "x" * 65, "tab\x00bed", "right\u202eleft"])
    async def test_a_name_is_asked_for(self, stranger: httpx.AsyncClient, name: str) -> None:
        answer = await sign_in(stranger, name=name)
        assert (answer.status_code, "set-cookie" in answer.headers) == (422, False)

    async def test_a_name_is_shown_as_text(self, stranger: httpx.AsyncClient) -> None:
        answer = await sign_in(stranger, name="<script>alert(1)</script>", token="wrong")
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert" in answer.text

    async def test_nothing_of_it_is_in_the_log_but_name_and_address(self, stranger: httpx.AsyncClient) -> None:
        with structlog.testing.capture_logs() as said:
            await sign_in(stranger, token="a-guess-at-the-token")
            await sign_in(stranger, name="Thandi")
        assert [line["event"] for line in said] == [Event.OPERATOR_REFUSED, Event.OPERATOR_SIGNED_IN]
        assert said[0]["address"] == "127.0.0.1"
        assert said[1]["operator"] == "Thandi"
        assert "a-guess-at-the-token" not in str(said)
        assert TOKEN not in str(said)


class TestTheCookie:
    async def test_scripts_and_other_sites_do_not_get_it(self, stranger: httpx.AsyncClient) -> None:
        cookie = (await sign_in(stranger)).headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert f"max-age={SESSION_SECONDS}" in cookie
        assert "path=/;" in cookie
        assert "secure" not in cookie  # plain http on loopback: a browser would not send it back
        assert TOKEN not in cookie

    async def test_behind_a_proxy_with_https_it_travels_encrypted_alone(
        self, new_context: Callable[[Settings], Context], migrated_database: databases.Database
    ) -> None:
        proxied = new_settings(migrated_database, OUTBOX_ADMIN_TOKEN=TOKEN, OUTBOX_HTTP_TRUST_PROXY="true")
        async with browser(build(new_context(proxied))) as client:
            client.headers["x-forwarded-proto"] = "https"
            assert "secure" in (await sign_in(client)).headers["set-cookie"].lower()

    async def test_who_forges_the_header_of_a_proxy_that_there_is_not_gains_nothing(
        self, stranger: httpx.AsyncClient
    ) -> None:
        stranger.headers["x-forwarded-proto"] = "https"
        assert "secure" not in (await sign_in(stranger)).headers["set-cookie"].lower()

    async def test_a_session_ends(self, client: httpx.AsyncClient, clock: ManualClock) -> None:
        clock.advance(SESSION_SECONDS - 1)
        assert (await client.get(DASHBOARD)).status_code == 200
        clock.advance(2)
        assert (await client.get(DASHBOARD)).status_code == 303

    async def test_another_admin_token_ends_every_session(
        self,
        client: httpx.AsyncClient,
        new_context: Callable[[Settings], Context],
        migrated_database: databases.Database,
    ) -> None:
        changed = new_settings(migrated_database, OUTBOX_ADMIN_TOKEN=TOKEN + "-new")
        async with browser(build(new_context(changed))) as later:
            later.cookies.update(client.cookies)
            assert (await later.get(DASHBOARD)).status_code == 303

    @pytest.mark.parametrize("place", range(0, 90, 7))
    async def test_one_that_was_changed_anywhere_is_none(self, client: httpx.AsyncClient, place: int) -> None:
        cookie = client.cookies[COOKIE]
        changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        client.cookies.clear()
        answer = await client.get(DASHBOARD, headers={"cookie": f"{COOKIE}={changed}"})
        assert answer.status_code == 303

    @pytest.mark.parametrize("garbage", ["", ".", "a.b", "é.ü", "AAAA." + "A" * 43, "x" * 5000, "=.=", "%00.%00"])
    async def test_garbage_is_none(self, stranger: httpx.AsyncClient, garbage: str) -> None:
        answer = await stranger.get(DASHBOARD, headers={b"cookie": f"{COOKIE}={garbage}".encode()})
        assert answer.status_code == 303

    async def test_signing_out_ends_it(self, client: httpx.AsyncClient, application: Starlette) -> None:
        answer = await client.post(SIGN_OUT, data={"csrf_token": await csrf_token(client, application)})
        assert (answer.status_code, answer.headers["location"]) == (303, SIGN_IN)
        assert COOKIE not in client.cookies
        assert (await client.get(DASHBOARD)).status_code == 303


class TestChanges:
    async def test_one_without_the_sessions_token_is_refused(self, client: httpx.AsyncClient) -> None:
        assert (await client.post(SIGN_OUT)).status_code == 403
        assert (await client.post(SIGN_OUT, data={"csrf_token": "x"})).status_code == 403
        assert (await client.post(RETRY, json=NOBODY)).status_code == 403

    async def test_that_of_another_session_does_not_count(
        self, client: httpx.AsyncClient, application: Starlette
    ) -> None:
        async with browser(application) as other:
            await sign_in(other, name="Lerato Nkosi")
            foreign = await csrf_token(other, application)
        assert (await client.post(SIGN_OUT, data={"csrf_token": foreign})).status_code == 403

    async def test_a_script_sends_it_as_a_header(self, client: httpx.AsyncClient, application: Starlette) -> None:
        headers = {"x-csrf-token": await csrf_token(client, application)}
        assert (await client.post(RETRY, json=NOBODY, headers=headers)).status_code == 404

    @pytest.mark.parametrize(
        "sent_by",
        [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://example.com"}],
    )
    async def test_what_another_site_sent_is_refused(
        self, client: httpx.AsyncClient, application: Starlette, sent_by: dict[str, str]
    ) -> None:
        token = await csrf_token(client, application)
        answer = await client.post(SIGN_OUT, data={"csrf_token": token}, headers=sent_by)
        assert answer.status_code == 403
        assert (await client.post(SIGN_IN, data={}, headers=sent_by)).status_code == 403

    async def test_what_our_own_page_sent_is_not(self, client: httpx.AsyncClient, application: Starlette) -> None:
        token = await csrf_token(client, application)
        ours = {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8025"}
        assert (await client.post(SIGN_OUT, data={"csrf_token": token}, headers=ours)).status_code == 303

    async def test_a_program_with_the_token_needs_none(self, api: httpx.AsyncClient) -> None:
        assert (await api.post(RETRY, json=NOBODY)).status_code == 404

    async def test_the_bearer_token_does_not_open_pages(self, api: httpx.AsyncClient) -> None:
        """So no page is ever changed without the session's token."""
        assert (await api.get(DASHBOARD)).status_code == 303
        assert (await api.post(SIGN_OUT)).status_code == 401


class TestTheApi:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-operator": "Sipho"},
            {"authorization": "Bearer wrong", "x-operator": "Sipho"},
            {"authorization": f"Basic {TOKEN}", "x-operator": "Sipho"},
            {"authorization": TOKEN, "x-operator": "Sipho"},
            {"authorization": "Bearer", "x-operator": "Sipho"},
        ],
    )
    async def test_without_the_token_it_says_how(self, stranger: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await stranger.get(STATUS, headers=headers)
        assert answer.status_code == 401
        assert "OUTBOX_ADMIN_TOKEN" in answer.json()["error"]
        assert answer.headers["www-authenticate"].startswith("Bearer")

    async def test_whoever_acts_gives_a_name(self, stranger: httpx.AsyncClient) -> None:
        answer = await stranger.get(STATUS, headers={"authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, "X-Operator" in answer.json()["error"]) == (400, True)

    async def test_a_session_opens_it_too(self, client: httpx.AsyncClient) -> None:
        assert (await client.get(STATUS)).status_code == 200


class TestWithoutAToken:
    @pytest.mark.parametrize("path", [DASHBOARD, SIGN_IN, STATUS, "/api/admin/zoho-sync/logs", "/admin", "/api/x"])
    async def test_pages_and_api_refuse_and_say_how(
        self, new_context: Callable[[Settings], Context], migrated_database: databases.Database, path: str
    ) -> None:
        async with browser(build(new_context(new_settings(migrated_database)))) as client:
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "OUTBOX_ADMIN_TOKEN" in answer.text
            assert "32 characters" in answer.text
            assert (await client.get("/healthz")).status_code == 200


class TestGuessing:
    async def test_an_address_may_err_a_few_times_a_minute(
        self, stranger: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        for _ in range(5):
            assert (await sign_in(stranger, token="wrong")).status_code == 403
        refused = await sign_in(stranger)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == 12
        assert (await stranger.get(STATUS, headers={"authorization": f"Bearer {TOKEN}"})).status_code == 429
        clock.advance(12)
        assert (await sign_in(stranger)).status_code == 303

    async def test_another_address_is_not_kept_waiting(
        self, stranger: httpx.AsyncClient, application: Starlette
    ) -> None:
        for _ in range(6):
            await sign_in(stranger, token="wrong")
        async with browser(application, address="127.0.0.2") as other:
            assert (await sign_in(other)).status_code == 303

    async def test_who_is_signed_in_already_is_not_affected(
        self, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        for _ in range(6):
            await sign_in(stranger, token="wrong")
        assert (await client.get(DASHBOARD)).status_code == 200

    async def test_behind_a_proxy_each_client_counts_by_itself(
        self, new_context: Callable[[Settings], Context], migrated_database: databases.Database
    ) -> None:
        proxied = new_settings(migrated_database, OUTBOX_ADMIN_TOKEN=TOKEN, OUTBOX_HTTP_TRUST_PROXY="true")
        async with browser(build(new_context(proxied))) as client:
            for forged in range(6):
                client.headers["x-forwarded-for"] = f"10.9.9.{forged}, 203.0.113.7"
                await sign_in(client, token="wrong")
            assert (await sign_in(client)).status_code == 429
            client.headers["x-forwarded-for"] = "203.0.113.8"
            assert (await sign_in(client)).status_code == 303

    def test_all_addresses_together_are_bounded(self) -> None:
        clock = ManualClock()
        failed = FailedAttempts(clock)
        tried = 0
        for number in range(500):
            address = f"198.51.{number // 250}.{number % 250}"
            if not failed.seconds_to_wait(address):
                tried += 1
                failed.failed(address)
        assert tried == 60
        clock.advance(1)
        assert failed.seconds_to_wait("203.0.113.1") == 0

    def test_few_are_remembered_and_an_ipv6_line_counts_as_one(self) -> None:
        clock = ManualClock()
        failed = FailedAttempts(clock)
        for number in range(MOST_ADDRESSES + 50):
            clock.advance(1)
            failed.failed(f"2001:db8:{number:x}::1")
        assert failed.remembered == MOST_ADDRESSES
        clock.advance(3600)
        for number in range(5):
            failed.failed(f"2001:db8::{number + 1:x}")
        assert failed.seconds_to_wait("2001:db8::ffff") > 0
        assert failed.seconds_to_wait("2001:db8:1::1") == 0


def test_a_signer_shows_no_secret() -> None:
    assert TOKEN not in repr(SessionSigner(TOKEN))
    assert TOKEN not in str(vars(SessionSigner(TOKEN)))
