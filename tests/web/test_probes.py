"""``/healthz`` and ``/readyz``."""

from collections.abc import Callable

import httpx
import pytest
import structlog.testing

from daemon.web.application import build
from daemon.web.context import Context
from daemon.web.probes import NOT_REACHED
from outbox.clock import ManualClock
from outbox.database import DatabaseUnavailable
from outbox.logs import Event
from outbox.settings import Settings
from tests.host import databases
from tests.store.conftest import new_settings
from tests.web.conftest import TOKEN, KnownLiveness, browser

pytestmark = pytest.mark.anyio


async def readiness(client: httpx.AsyncClient) -> tuple[int, list[str]]:
    answer = await client.get("/readyz")
    assert answer.json()["ready"] is (answer.status_code == 200)
    return answer.status_code, answer.json()["reasons"]


async def test_nobody_need_sign_in_and_nobody_is_named(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/healthz")).json() == {"status": "alive"}
    assert (await stranger.get("/readyz")).json() == {"ready": True, "reasons": []}


async def test_a_stalled_loop_makes_it_unready_and_not_dead(
    stranger: httpx.AsyncClient, liveness: KnownLiveness
) -> None:
    liveness.stalled = ["dispatcher", "settlement"]
    assert await readiness(stranger) == (503, ["stalled: dispatcher, settlement"])
    assert (await stranger.get("/healthz")).status_code == 200


async def test_one_that_polls_says_how_often(stranger: httpx.AsyncClient, liveness: KnownLiveness) -> None:
    liveness.listening = False
    status, (reason,) = await readiness(stranger)
    assert status == 503
    assert reason.startswith("not listening")
    assert reason.endswith("polling every 30 s")


async def test_one_that_drains_or_has_not_started_is_not_ready(
    stranger: httpx.AsyncClient, liveness: KnownLiveness
) -> None:
    liveness.draining = True
    assert (await readiness(stranger))[0] == 503
    liveness.draining, liveness.started = False, False
    assert await readiness(stranger) == (503, ["it has not started: it waits for the database"])


async def test_a_database_that_is_away_is_told_in_words(
    new_context: Callable[[Settings], Context], migrated_database: databases.Database
) -> None:
    settings = new_settings(
        migrated_database, DATABASE_URL="postgresql://nobody:secret-of-a-test@127.0.0.1:9/x", OUTBOX_ADMIN_TOKEN=TOKEN
    )
    async with browser(build(new_context(settings))) as client:
        status, (reason,) = await readiness(client)
        assert status == 503
        assert reason == NOT_REACHED
        assert (await client.get("/healthz")).status_code == 200
        headers = {"authorization": f"Bearer {TOKEN}", "x-operator": "Sipho"}
        for path in ("status", "logs"):
            answer = await client.get(f"/api/admin/zoho-sync/{path}", headers=headers)
            assert answer.status_code == 503
            # Where it is, and under which name we go there, nobody is told.
            assert answer.json() == {"error": "the database does not answer"}
        answer = await client.post(
            "/api/admin/zoho-sync/retry",
            headers=headers,
            json={"entity_type": "customer", "entity_id": "00000000-0000-4000-8000-000000000000"},
        )
        assert answer.status_code == 503


async def test_a_lost_database_is_found_out_and_so_is_its_return(
    stranger: httpx.AsyncClient, context: Context, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await readiness(stranger))[0] == 200
    asked = 0

    async def gone(*_: object, **__: object) -> int:
        nonlocal asked
        asked += 1
        raise DatabaseUnavailable("connection refused")

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logged:
        patched.setattr(context.probing, "execute", gone)
        assert (await readiness(stranger))[0] == 200
        clock.advance(2)
        for _ in range(3):
            assert await readiness(stranger) == (503, [NOT_REACHED])
        assert asked == 1
        assert [(line["event"], line["reason"]) for line in logged] == [(Event.HTTP_UNAVAILABLE, "connection refused")]
    clock.advance(2)
    assert await readiness(stranger) == (200, [])
