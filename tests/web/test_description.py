"""The API's description is what the API does: held to it by schemathesis, with input that nobody would type."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.generation import GenerationMode

from daemon.meter import Meter
from daemon.supervision import Supervisor
from daemon.web.application import build
from daemon.web.connections import WebDatabase
from daemon.web.context import Context
from daemon.web.openapi import description
from daemon.web.server import NAME, WebServer
from daemon.web.standing import Standing
from outbox.clock import SystemClock
from outbox.settings import ListenAddress, Settings
from outbox.store.organisation import OrganisationStore
from tests.store.host import Host
from tests.web.conftest import TOKEN, KnownLiveness
from tests.web.test_api import admitted, attempt
from tests.web.test_server import answering, free_port

DESCRIPTION = "/api/admin/zoho-sync/openapi.json"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-Operator": "Sipho Dlamini"}


@pytest.fixture
def url(web_settings: Settings, host: Host) -> Iterator[str]:
    """An application with something to tell, served by a thread with an event loop of its own."""
    for number, (phase, status) in enumerate([("idle", "done"), ("dead", "dead"), ("leased", "processing")]):
        customer = host.add_customer(number)
        admitted(host, customer, phase, status)
        attempt(host, customer, "failed" if phase == "dead" else "success")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_served(web_settings)) as address:
        yield address


@asynccontextmanager
async def _served(settings: Settings) -> Any:
    clock, port = SystemClock(), free_port()
    opened = [WebDatabase(settings.database_url) for _ in range(3)]
    context = Context(
        settings=settings,
        clock=clock,
        database=opened[0],
        organisation=OrganisationStore(opened[0], settings.zoho_time_zone),
        standing=Standing(opened[1], settings, clock),
        probing=opened[2],
        liveness=KnownLiveness(),
        meter=Meter(),
    )
    supervisor = Supervisor(clock)
    server = WebServer(build(context), ListenAddress("127.0.0.1", port), supervisor)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.keep, NAME, server.run)
        await answering(port)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()
    await context.standing.close()
    for database in opened:
        await database.close()


class TestFuzzed:
    @pytest.mark.parametrize(
        ("method", "path", "mode"),
        [
            ("GET", "/status", GenerationMode.POSITIVE),  # takes no parameters that could be wrong
            ("GET", "/logs", GenerationMode.POSITIVE),
            ("GET", "/logs", GenerationMode.NEGATIVE),
            ("POST", "/retry", GenerationMode.POSITIVE),
            ("POST", "/retry", GenerationMode.NEGATIVE),
        ],
    )
    def test_whatever_is_asked_the_answer_is_one_that_is_described(
        self, url: str, method: str, path: str, mode: GenerationMode
    ) -> None:
        schema = schemathesis.openapi.from_url(f"{url}{DESCRIPTION}")
        operation = schema[f"/api/admin/zoho-sync{path}"][method]
        answered = 0

        @settings(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal answered
            answered += 1
            case.call_and_validate(headers=HEADERS)

        ask()
        assert answered > 0


@pytest.mark.anyio
class TestTheDocument:
    async def test_it_is_there_for_everybody_and_names_no_secret(self, stranger: httpx.AsyncClient) -> None:
        answer = await stranger.get(DESCRIPTION)
        assert (answer.status_code, answer.json()["openapi"]) == (200, "3.1.0")
        assert TOKEN not in answer.text

    async def test_every_path_of_the_api_is_in_it_and_no_other(self, application: Any) -> None:
        served = {
            (route.path, method)
            for route in application.routes
            if route.path.startswith("/api/") and route.path != DESCRIPTION
            for method in route.methods - {"HEAD"}
        }
        described = {(path, method.upper()) for path, methods in description()["paths"].items() for method in methods}
        assert served == described

    async def test_real_answers_are_as_described(self, api: httpx.AsyncClient, host: Host) -> None:
        customer = host.add_customer()
        admitted(host, customer, "dead", "dead", error="no e-mail")
        attempt(host, customer, "failed")
        body: Mapping[str, Any] = {"entity_type": "customer", "entity_id": str(customer)}
        asked: list[tuple[str, str, Callable[[], Any]]] = [
            ("status", "get", partial(api.get, "/api/admin/zoho-sync/status")),
            ("logs", "get", partial(api.get, "/api/admin/zoho-sync/logs")),
            ("retry", "post", partial(api.post, "/api/admin/zoho-sync/retry", json=body)),
            (
                "retry",
                "post",
                partial(api.post, "/api/admin/zoho-sync/retry", json={**body, "entity_id": str(UUID(int=7))}),
            ),
            ("logs", "get", partial(api.get, "/api/admin/zoho-sync/logs?limit=0")),
        ]
        whole = description()
        statuses = []
        for path, method, ask in asked:
            answer = await ask()
            responses = whole["paths"][f"/api/admin/zoho-sync/{path}"][method]["responses"]
            schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
            Draft202012Validator({**schema, "components": whole["components"]}).validate(answer.json())
            statuses.append(answer.status_code)
        assert statuses == [200, 200, 202, 404, 400]
