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
        """`path` may have a query of its own, where no `parameters` are given."""
        return await self.http.request(
            method, self.simulator.api_base_url + path, json=body, params=parameters or None, headers=self.headers
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

    async def bill(self, customer_id: str, *prices: float, opened: bool = True, **fields: Any) -> str:
        """The id of an invoice with a line of each price, tax included."""
        body = {
            "customer_id": customer_id,
            "date": "2026-11-20",
            "due_date": "2026-11-27",
            "is_inclusive_tax": True,
            "invoice_items": [{"name": "Internet", "price": price, "quantity": 1} for price in prices],
            **fields,
        }
        number = "?ignore_auto_number_generation=true" if "invoice_number" in fields else ""
        reply = await self.post(f"/invoices{number}", body)
        assert reply.status_code == 201, reply.text
        invoice_id: str = reply.json()["invoice"]["invoice_id"]
        if opened:
            assert (await self.post(f"/invoices/{invoice_id}/converttoopen")).status_code == 200
        return invoice_id

    async def pay(self, customer_id: str, amount: float, applied: dict[str, float], **fields: Any) -> str:
        """The id of a payment with what of it is applied, by invoice."""
        reply = await self.post("/payments", payment_body(customer_id, amount, applied, **fields))
        assert reply.status_code == 201, reply.text
        payment_id: str = reply.json()["payment"]["payment_id"]
        return payment_id

    async def invoice(self, invoice_id: str) -> dict[str, Any]:
        """An invoice as it is read."""
        found: dict[str, Any] = (await self.get(f"/invoices/{invoice_id}")).json()["invoice"]
        return found

    async def payment(self, payment_id: str) -> dict[str, Any]:
        """A payment as it is read."""
        found: dict[str, Any] = (await self.get(f"/payments/{payment_id}")).json()["payment"]
        return found

    async def balances(self, customer_id: str) -> tuple[float, float]:
        """What a customer owes, and has in credit."""
        customer = (await self.get(f"/customers/{customer_id}")).json()["customer"]
        assert customer["outstanding"] == customer["outstanding_receivable_amount"]
        return customer["outstanding"], customer["unused_credits"]

    async def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, f"{self.simulator.url}/_simulator{path}", json=body)


def payment_body(customer_id: str, amount: float, applied: dict[str, float], **fields: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "payment_mode": "banktransfer",
        "amount": amount,
        "invoices": [{"invoice_id": key, "amount_applied": value} for key, value in applied.items()],
        **fields,
    }


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
