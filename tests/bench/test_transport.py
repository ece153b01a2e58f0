"""The Zoho of the benchmarks: cheap, and still one that the daemon's own code takes for Zoho."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from outbox.entities.customer import Customer
from outbox.simulator.application import API_ROOT
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import classify_reply
from tests.bench.transport import NOWHERE, Answers, Counts, InProcessTransport, create_body


@pytest.fixture
def counts(tmp_path: Path) -> Counts:
    return Counts(tmp_path / "counts")


def asked(answers: Answers, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    status, text = answers.to(method, f"{API_ROOT}{path}", b"" if body is None else json.dumps(body).encode())
    return status, json.loads(text)


def test_a_create_is_answered_with_an_id_and_all_that_was_sent(counts: Counts) -> None:
    body = create_body(7)

    status, said = asked(Answers(counts, 1), "POST", "/customers", body)

    record = said["customer"]
    assert status == 201
    assert body.items() <= record.items()
    assert record["status"] == "active"


def test_the_daemon_reads_the_answer_as_it_reads_zohos(counts: Counts) -> None:
    request = ApiRequest("POST", "/customers", body=create_body(7))
    status, said = asked(Answers(counts, 1), "POST", "/customers", create_body(7))

    reply = classify_reply(request, status, {}, json.dumps(said).encode(), 0.0)

    assert isinstance(reply, ApiReply)
    assert Customer().created(reply).record["display_name"] == "Anna Meadow [CT-7]"


def test_ids_of_two_processes_never_meet(tmp_path: Path) -> None:
    largest_pid = 4_194_304
    ids = {
        asked(Answers(Counts(tmp_path / str(series)), series), "POST", "/customers", {"a": 1})[1]["customer"][
            "customer_id"
        ]
        for series in (largest_pid - 1, largest_pid)
    }

    assert len(ids) == 2


def test_one_process_gives_no_id_twice(counts: Counts) -> None:
    answers = Answers(counts, 1)

    ids = {asked(answers, "POST", "/customers", {"a": 1})[1]["customer"]["customer_id"] for _ in range(3)}

    assert len(ids) == 3


def test_what_it_does_not_know_it_refuses(counts: Counts) -> None:
    status, said = asked(Answers(counts, 1), "GET", "/customers?email=x")

    assert status == 400
    assert said["code"] != 0


def test_another_process_reads_what_was_counted(tmp_path: Path) -> None:
    answers = Answers(Counts(tmp_path / "counts"), 1)
    elsewhere = Counts(tmp_path / "counts")

    answers.to("POST", "/oauth/v2/token", b"")
    asked(answers, "GET", "/organizations")
    asked(answers, "POST", "/customers", {"a": 1})

    assert (elsewhere.mints, elsewhere.requests, elsewhere.creates) == (1, 2, 1)


def test_the_transport_says_when_a_create_left(counts: Counts) -> None:
    moments: list[float] = []

    async def send() -> httpx.Response:
        transport = InProcessTransport(Answers(counts, 1), moments=moments)
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(f"{NOWHERE}{API_ROOT}/organizations")
            return await client.post(f"{NOWHERE}{API_ROOT}/customers", json=create_body(1))

    assert asyncio.run(send()).status_code == 201
    assert len(moments) == 1
