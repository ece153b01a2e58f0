"""The Zoho behind a network speaks enough HTTP for both clients, and takes its time."""

import asyncio
from pathlib import Path

import httpx
import pytest

from outbox.simulator.application import API_ROOT
from tests.bench.api_server import ApiServer, api_server
from tests.bench.bare import daemons_client, requests_per_second
from tests.bench.transport import create_body

REQUESTS = 7


@pytest.mark.parametrize("kind", ["the daemon's", "httpx"])
def test_a_client_gets_an_answer_to_each_request(kind: str, tmp_path: Path) -> None:
    with api_server(tmp_path / "api", 0.001) as api:
        client = daemons_client(api.url) if kind == "the daemon's" else httpx.AsyncClient(trust_env=False)
        asyncio.run(requests_per_second(client, api.url, REQUESTS, concurrency=3))

        assert api.counts.creates == REQUESTS


def test_requests_on_one_connection_are_told_apart(tmp_path: Path) -> None:
    async def ask(api: ApiServer) -> list[str]:
        async with httpx.AsyncClient(trust_env=False) as client:
            replies = [await client.post(f"{api.url}{API_ROOT}/customers", json=create_body(n)) for n in range(3)]
        return [reply.json()["customer"]["display_name"] for reply in replies]

    with api_server(tmp_path / "api", 0.0) as api:
        names = asyncio.run(ask(api))

    assert names == [create_body(number)["display_name"] for number in range(3)]
