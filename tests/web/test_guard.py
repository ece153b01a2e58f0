"""What every request passes, and every answer carries."""

import re
from collections.abc import AsyncIterator, Callable

import anyio
import httpx
import pytest
import structlog.testing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.web import guard
from daemon.web.application import build
from daemon.web.context import Context
from daemon.web.forms import LONGEST_BODY, body_of
from daemon.web.guard import AT_ONCE, AllowedHosts, Guard
from outbox.database import DatabaseUnavailable
from outbox.logs import Event
from outbox.settings import ListenAddress, Settings
from tests.host import databases
from tests.store.conftest import new_settings
from tests.web.conftest import SIGN_IN, TOKEN, browser

pytestmark = pytest.mark.anyio


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1:8025", "localhost", "LOCALHOST:8025", "localhost.", "[::1]:8025", "127.1.2.3"]
    )
    def test_this_machines_own_names_are_served(self, host: str) -> None:
        assert host in AllowedHosts(ListenAddress("127.0.0.1", 8025), trust_proxy=False)

    @pytest.mark.parametrize(
        "host",
        ["", "example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "local host", "localhost:x"],
    )
    def test_another_name_is_not(self, host: str) -> None:
        assert host not in AllowedHosts(ListenAddress("127.0.0.1", 8025), trust_proxy=False)

    @pytest.mark.parametrize("host", ["billing.example.com", "10.0.0.5:8025", "[2001:db8::1]"])
    def test_a_proxy_decides_which_names_lead_here(self, host: str) -> None:
        assert host in AllowedHosts(ListenAddress("0.0.0.0", 8025), trust_proxy=True)

    @pytest.mark.parametrize("host", ["", "a b", "a/b", "a\x00b", "[zz]", "x" * 300])
    def test_but_it_is_a_name_in_any_case(self, host: str) -> None:
        assert host not in AllowedHosts(ListenAddress("0.0.0.0", 8025), trust_proxy=True)

    @pytest.mark.parametrize("path", ["/healthz", "/metrics", "/admin/zoho-sync", "/api/admin/zoho-sync/status"])
    async def test_a_page_of_another_site_under_its_own_name_gets_nothing(
        self, stranger: httpx.AsyncClient, path: str
    ) -> None:
        answer = await stranger.get(path, headers={"host": "rebound.example.com:8025"})
        assert answer.status_code == 400


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["/admin/zoho-sync/static/a%0Ab", "/admin/zoho-sync/static/a%0Ab/retry", "/healthz%00", "/api/a%0D"]
    )
    async def test_one_with_a_control_character_leads_nowhere(self, stranger: httpx.AsyncClient, path: str) -> None:
        for method in ("GET", "POST"):
            assert (await stranger.request(method, path)).status_code == 400


class TestHeaders:
    @pytest.mark.parametrize(
        "path",
        [
            SIGN_IN,
            "/admin/zoho-sync",
            "/admin/zoho-sync/nowhere",
            "/api/admin/zoho-sync/status",
            "/api/admin/zoho-sync/openapi.json",
            "/healthz",
            "/metrics",
            "/nowhere",
        ],
    )
    async def test_every_answer_forbids_what_no_page_of_ours_needs(self, client: httpx.AsyncClient, path: str) -> None:
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"

    async def test_the_sign_in_page_keeps_to_it(self, stranger: httpx.AsyncClient) -> None:
        page = (await stranger.get(SIGN_IN)).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:", page)
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", page)


class TestBodies:
    async def test_a_long_one_is_refused(self, api: httpx.AsyncClient) -> None:
        answer = await api.post(
            "/api/admin/zoho-sync/retry",
            content=b"x" * (LONGEST_BODY + 1),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 413

    async def test_one_that_does_not_say_how_long_it_is_too(self, stranger: httpx.AsyncClient) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 1000:
                sent += 1
                yield b"name=" + b"x" * 4096

        answer = await stranger.post(
            SIGN_IN, content=endless(), headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 413

    async def test_a_form_of_many_fields_is_no_form(self, stranger: httpx.AsyncClient) -> None:
        fields = "&".join(f"f{number}=1" for number in range(500)) + f"&name=Anna&token={TOKEN}"
        answer = await stranger.post(
            SIGN_IN, content=fields, headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 403


async def asks(app: ASGIApp, path: str = "/admin/zoho-sync") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8025") as client:
        return await client.get(path)


def guarded(handler: Callable[[Request], Response]) -> Guard:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await handler(Request(scope))(scope, receive, send)

    return Guard(app, hosts=AllowedHosts(None, trust_proxy=False), always=["/healthz"])


class TestWhatGoesWrong:
    async def test_a_mistake_of_ours_is_logged_and_told_without_its_words(self) -> None:
        def handler(_: Request) -> Response:
            raise ValueError("a secret of the row")

        with structlog.testing.capture_logs() as said:
            answer = await asks(guarded(handler))
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert [(line["event"], line["log_level"]) for line in said] == [(Event.HTTP_FAILED, "error")]

    @pytest.mark.parametrize(
        "gone",
        [
            DatabaseUnavailable("to port 6543 refused"),
            ExceptionGroup("two questions at once", [DatabaseUnavailable("port 6543"), DatabaseUnavailable("refused")]),
        ],
        ids=["once", "twice"],
    )
    async def test_a_database_that_is_away_is_no_mistake_and_where_it_is_stands_in_the_log_alone(
        self, gone: Exception
    ) -> None:
        def handler(_: Request) -> Response:
            raise gone

        with structlog.testing.capture_logs() as said:
            answer = await asks(guarded(handler))
        assert answer.status_code == 503
        assert "the database does not answer" in answer.text
        assert "6543" not in answer.text
        (line,) = said
        assert (line["event"], line["log_level"]) == (Event.HTTP_UNAVAILABLE, "warning")
        assert "6543" in line["reason"]

    async def test_but_one_beside_it_is(self) -> None:
        def handler(_: Request) -> Response:
            raise ExceptionGroup("two questions at once", [DatabaseUnavailable("refused"), ValueError("x")])

        with structlog.testing.capture_logs() as said:
            assert (await asks(guarded(handler))).status_code == 500
        assert [line["event"] for line in said] == [Event.HTTP_FAILED]

    async def test_what_takes_too_long_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guard, "REQUEST_SECONDS", 0.05)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await anyio.sleep_forever()

        answer = await asks(Guard(app, hosts=AllowedHosts(None, trust_proxy=False), always=[]))
        assert (answer.status_code, "too long" in answer.text) == (503, True)

    async def test_slow_pages_keep_neither_each_other_for_ever_nor_health(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "PLACE_SECONDS", 0.05)
        inside, go_on = 0, anyio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal inside
            if scope["path"] != "/healthz":
                inside += 1
                await go_on.wait()
            await PlainTextResponse("here")(scope, receive, send)

        guarding = Guard(app, hosts=AllowedHosts(None, trust_proxy=False), always=["/healthz"])
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await asks(guarding)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE + 3):
                tasks.start_soon(ask)
            while len(answers) < 3:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            assert (inside, answers) == (AT_ONCE, [503, 503, 503])
            assert (await asks(guarding, "/healthz")).status_code == 200
            go_on.set()
        assert answers == [503] * 3 + [200] * AT_ONCE

    async def test_a_body_that_is_read_twice_is_the_same(self) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": [(b"content-length", b"3")],
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"abc", "more_body": False}

        assert await body_of(Request(scope, receive)) == b"abc"
        assert await body_of(Request(scope)) == b"abc"

    async def test_what_is_not_there_is_told_in_the_words_of_who_asked(self, api: httpx.AsyncClient) -> None:
        assert (await api.get("/api/admin/zoho-sync/nothing")).json() == {"error": "Not Found"}
        wrong = await api.put("/api/admin/zoho-sync/status")
        assert (wrong.status_code, wrong.json()) == (405, {"error": "Method Not Allowed"})
        assert "GET" in wrong.headers["allow"]


async def test_pages_have_connections_of_their_own_and_few(
    new_context: Callable[[Settings], Context], migrated_database: databases.Database, application: Starlette
) -> None:
    context = new_context(new_settings(migrated_database))
    longest = await context.database.row("SELECT current_setting('statement_timeout') AS longest")
    assert longest == {"longest": "5s"}
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        await context.database.rows("SELECT pg_sleep(5)", seconds=0.05)
    # The connection is whole again, and the bound is that of one block.
    assert await context.database.row("SELECT 1 AS one") == {"one": 1}


async def test_a_page_that_hangs_on_the_database_is_told_so(application: Starlette, context: Context) -> None:
    async with context.database.transaction() as connection:
        await connection.execute("SELECT 1")
        async with browser(build(context)) as client:
            assert (await client.get("/healthz")).status_code == 200
