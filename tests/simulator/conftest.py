from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.simulator.clock import SimulatorClock

NOON = 1_795_168_800.0
"""2026-11-20T10:00:00Z, noon in Johannesburg."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings() -> SimulatorSettings:
    return SimulatorSettings(limits=LimitSettings.wide())


@pytest.fixture
def clock() -> SimulatorClock:
    return SimulatorClock(start=NOON, running=False)


@pytest.fixture
async def simulator(settings: SimulatorSettings, clock: SimulatorClock) -> AsyncIterator[RunningSimulator]:
    async with running_simulator(settings, clock=clock) as running:
        yield running


class Api:
    """A plain HTTP client with an access token."""

    def __init__(self, http: httpx.AsyncClient, simulator: RunningSimulator) -> None:
        self.http = http
        self.simulator = simulator
        self.headers: dict[str, str] = {}

    async def mint(self, **changes: str) -> httpx.Response:
        settings = self.simulator.settings
        form = {
            "grant_type": "refresh_token",
            "refresh_token": settings.refresh_token,
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        }
        return await self.http.post(self.simulator.accounts_base_url + "/oauth/v2/token", data=form | changes)

    async def sign_in(self, **changes: str) -> None:
        token = (await self.mint(**changes)).json()["access_token"]
        self.headers = {
            "Authorization": f"Zoho-oauthtoken {token}",
            "X-com-zoho-subscriptions-organizationid": self.simulator.organisation,
        }

    async def send(self, method: str, path: str, body: Any = None, **parameters: str | int) -> httpx.Response:
        return await self.http.request(
            method, self.simulator.api_base_url + path, json=body, params=parameters, headers=self.headers
        )

    async def get(self, path: str, **parameters: str | int) -> httpx.Response:
        return await self.send("GET", path, None, **parameters)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.send("POST", path, body)

    async def put(self, path: str, body: Any = None) -> httpx.Response:
        return await self.send("PUT", path, body)

    async def create(self, display_name: str, **fields: Any) -> str:
        reply = await self.post("/customers", {"display_name": display_name, **fields})
        assert reply.status_code == 201, reply.text
        customer_id: str = reply.json()["customer"]["customer_id"]
        return customer_id

    async def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, f"{self.simulator.url}/_simulator{path}", json=body)


@pytest.fixture
async def api(simulator: RunningSimulator) -> AsyncIterator[Api]:
    # verify=False: plain http needs no certificates, and loading them takes longer than a test.
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as http:
        api = Api(http, simulator)
        await api.sign_in()
        yield api


@pytest.fixture
def code_of() -> Callable[[httpx.Response], tuple[int, int]]:
    """HTTP status and body code of a reply."""
    return lambda reply: (reply.status_code, reply.json()["code"])
