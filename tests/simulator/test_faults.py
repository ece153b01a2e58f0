import asyncio
import contextlib
import json
from collections.abc import Callable

import anyio
import httpx
import pytest
from pydantic import ValidationError

from outbox.simulator import (
    FaultKind,
    FaultRule,
    LimitSettings,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from outbox.simulator.faults import TOKEN_PATH, Faults

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]


async def raw_reply(api: Api, method: str, path: str, body: object) -> bytes:
    """Every byte that comes back until the connection ends. Raises ConnectionResetError where it is reset."""
    content = json.dumps(body).encode()
    host = api.simulator.url.removeprefix("http://")
    head = [f"{method} /billing/v1{path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(content)}"]
    head += [f"{name}: {value}" for name, value in api.headers.items()]
    reader, writer = await asyncio.open_connection(host.split(":")[0], int(host.split(":")[1]))
    try:
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + content)
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def customers(simulator: RunningSimulator) -> int:
    return len(simulator.simulator.books.customers)


async def test_done_then_lost_creates_and_closes_without_a_byte(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("done_then_lost", "POST", "/customers")
    assert await raw_reply(api, "POST", "/customers", {"display_name": "A"}) == b""
    assert customers(simulator) == 1
    assert simulator.statistics.creates["customers"]["display_name"] == {"A": 1}
    assert simulator.statistics.by_status[0] == 1


async def test_a_client_sees_the_loss_as_a_protocol_error(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("done_then_lost", "POST", "/customers")
    with pytest.raises(httpx.RemoteProtocolError):
        await api.post("/customers", {"display_name": "A"})
    assert (await api.get("/customers")).json()["customers"][0]["display_name"] == "A"


async def test_lost_then_not_done_closes_without_a_byte_and_does_nothing(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("lost_then_not_done", "POST", "/customers")
    assert await raw_reply(api, "POST", "/customers", {"display_name": "A"}) == b""
    assert customers(simulator) == 0


async def test_a_connection_can_be_reset_instead_of_closed(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("done_then_lost", "POST", "/customers", reset=True)
    with pytest.raises(ConnectionResetError):
        await raw_reply(api, "POST", "/customers", {"display_name": "A"})
    assert customers(simulator) == 1


async def test_done_then_cut_promises_more_than_it_sends(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("done_then_cut", "POST", "/customers")
    received = await raw_reply(api, "POST", "/customers", {"display_name": "A"})
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 Created\r\n")
    promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < promised
    assert customers(simulator) == 1


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [
        ("server_error_before", 500, 0),
        ("server_error_after", 500, 1),
        ("bad_gateway_before", 502, 0),
        ("bad_gateway_after", 502, 1),
        ("html_before", 200, 0),
        ("html_after", 200, 1),
        ("truncated_json_before", 200, 0),
        ("truncated_json_after", 200, 1),
        ("refused_with_200", 200, 0),
        ("refused", 400, 0),
        ("rate_limited_43", 429, 0),
        ("rate_limited_44", 429, 0),
        ("rate_limited_45", 429, 0),
        ("rate_limited_1070", 429, 0),
        ("unauthenticated_14", 401, 0),
        ("unauthorised_57", 401, 0),
        ("foreign_organisation", 400, 0),
    ],
)
async def test_each_bad_reply_comes_once_with_the_request_done_or_not(
    api: Api, simulator: RunningSimulator, kind: str, status: int, done: int
) -> None:
    simulator.faults.plant(kind, "POST", "/customers")
    reply = await api.post("/customers", {"display_name": "A"})
    assert (reply.status_code, customers(simulator)) == (status, done)
    assert (await api.post("/customers", {"display_name": "A"})).status_code == 201
    assert simulator.statistics.faults == {kind: 1}


async def test_html_replies_are_html(api: Api, simulator: RunningSimulator) -> None:
    for kind in ("bad_gateway_before", "html_before"):
        simulator.faults.plant(kind)
        reply = await api.get("/customers")
        assert reply.headers["content-type"].startswith("text/html")
        assert "<html>" in reply.text


async def test_truncated_json_is_a_whole_http_message_with_half_a_text(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("truncated_json_after")
    reply = await api.post("/customers", {"display_name": "A"})
    assert reply.headers["content-length"] == str(len(reply.content))
    with pytest.raises(json.JSONDecodeError):
        reply.json()


async def test_codes_of_the_refusals(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    expected = {
        "server_error_before": (500, 1000),
        "rate_limited_43": (429, 43),
        "rate_limited_44": (429, 44),
        "rate_limited_45": (429, 45),
        "rate_limited_1070": (429, 1070),
        "unauthenticated_14": (401, 14),
        "unauthorised_57": (401, 57),
        "foreign_organisation": (400, 6041),
    }
    for kind, pair in expected.items():
        simulator.faults.plant(kind)
        reply = await api.get("/customers")
        assert code_of(reply) == pair
        assert ("retry-after" in reply.headers) == (kind == "rate_limited_43")
    assert simulator.statistics.refused == {43: 1, 44: 1, 45: 1, 1070: 1}
    assert simulator.statistics.unauthorised == {14: 1, 57: 1}


async def test_refusals_say_what_they_are_told(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("refused_with_200", code=1001, message="Invoice already exists")
    reply = await api.get("/customers")
    assert (reply.status_code, reply.json()) == (200, {"code": 1001, "message": "Invoice already exists"})
    simulator.faults.plant("refused", status=403, code=6, message="no")
    reply = await api.get("/customers")
    assert (reply.status_code, reply.json()) == (403, {"code": 6, "message": "no"})
    simulator.faults.plant("rate_limited_43", retry_after_seconds=7)
    assert (await api.get("/customers")).headers["retry-after"] == "7"


async def test_slow_before_is_done_although_the_client_left(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("slow_before", "POST", "/customers", seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        await api.http.post(
            simulator.api_base_url + "/customers",
            json={"display_name": "A"},
            headers=api.headers,
            timeout=0.1,
        )
    assert customers(simulator) == 0
    await simulator.until(lambda statistics: statistics.by_status[201] == 1)
    assert customers(simulator) == 1


async def test_slow_after_is_done_at_once(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("slow_after", "POST", "/customers", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        await api.http.post(
            simulator.api_base_url + "/customers",
            json={"display_name": "A"},
            headers=api.headers,
            timeout=0.1,
        )
    assert customers(simulator) == 1


@pytest.mark.parametrize(("kind", "done_while_held"), [("held_before", 0), ("held_after", 1)])
async def test_a_held_request_waits_for_its_release(
    api: Api, simulator: RunningSimulator, kind: str, done_while_held: int
) -> None:
    fault = simulator.faults.plant(kind, "POST", "/customers")
    replies: list[httpx.Response] = []

    async def create() -> None:
        replies.append(await api.post("/customers", {"display_name": "A"}))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(create)
        await simulator.until(lambda statistics: statistics.faults[kind] == 1)
        assert customers(simulator) == done_while_held
        assert not replies
        await api.control("POST", f"/faults/{fault.id}/release")
    assert replies[0].status_code == 201
    assert customers(simulator) == 1


async def test_a_page_can_repeat_or_skip_a_row(api: Api, simulator: RunningSimulator) -> None:
    for name in "ABCDE":
        simulator.simulator.plant_customer(display_name=name)

    async def page(number: int) -> str:
        rows = (await api.get("/customers", page=number, per_page=2)).json()["customers"]
        return "".join(row["display_name"] for row in rows)

    repeated = simulator.faults.plant("row_repeated", "GET", "/customers", times=None)
    assert [await page(1), await page(2), await page(3)] == ["AB", "BC", "DE"]
    simulator.faults.remove(repeated.id)
    simulator.faults.plant("row_skipped", "GET", "/customers", times=None)
    assert [await page(1), await page(2), await page(3)] == ["AB", "DE", ""]


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("token_invalid_code", 200, {"error": "invalid_code"}),
        ("token_invalid_client", 200, {"error": "invalid_client"}),
        ("token_invalid_secret", 200, {"error": "invalid_client_secret"}),
        ("token_missing", 200, {}),
    ],
)
async def test_each_token_refusal(
    api: Api, simulator: RunningSimulator, kind: str, status: int, body: dict[str, str]
) -> None:
    simulator.faults.plant(kind)
    reply = await api.mint()
    assert (reply.status_code, reply.json()) == (status, body)
    assert (await api.mint()).json()["access_token"]


async def test_the_token_endpoint_can_be_throttled_slow_or_broken(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("token_throttled")
    reply = await api.mint()
    assert (reply.status_code, reply.json()["error"]) == (400, "Access Denied")
    simulator.faults.plant("bad_gateway_before", path=TOKEN_PATH)
    assert (await api.mint()).status_code == 502
    minted = simulator.simulator.tokens.minted
    simulator.faults.plant("done_then_lost", path=TOKEN_PATH)
    with pytest.raises(httpx.RemoteProtocolError):
        await api.mint()
    assert simulator.simulator.tokens.minted == minted + 1


async def test_faults_spare_requests_that_were_refused_anyway(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    fault = simulator.faults.plant("server_error_before", "POST", "/customers")
    good, api.headers = api.headers, {}
    assert code_of(await api.post("/customers", {"display_name": "A"})) == (401, 14)
    assert fault.fired == 0
    api.headers = good
    assert code_of(await api.post("/customers", {"display_name": "A"})) == (500, 1000)


async def test_a_fault_done_after_a_refusal_leaves_the_refusal_undone(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("server_error_after", "POST", "/customers")
    assert (await api.post("/customers", {})).status_code == 500
    assert customers(simulator) == 0
    assert "customers" not in simulator.statistics.creates


async def test_latency_is_added_to_every_request(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.latency_seconds = 30
    with pytest.raises(httpx.ReadTimeout):
        await api.http.get(simulator.api_base_url + "/customers", headers=api.headers, timeout=0.1)
    simulator.settings.latency_seconds = 0
    assert (await api.get("/customers")).status_code == 200


async def test_a_request_cut_in_the_middle_of_its_body_does_nothing(api: Api, simulator: RunningSimulator) -> None:
    host, port = simulator.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    authorisation = api.headers["Authorization"].encode()
    writer.write(
        b"POST /billing/v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: "
        + authorisation
        + b'\r\nContent-Length: 40\r\n\r\n{"display_name": "A"}'
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await api.get("/customers")).json()["customers"] == []
    assert simulator.statistics.requests == 1


async def test_closing_ends_waiting_requests_without_noise(
    settings: SimulatorSettings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as http,
        anyio.create_task_group() as tasks,
    ):

        async def ask(api: Api) -> None:
            with pytest.raises(httpx.TransportError):
                await api.get("/customers")

        async with running_simulator(settings) as simulator:
            api = Api(http, simulator)
            await api.sign_in()
            simulator.faults.plant("held_before", "GET")
            simulator.faults.plant("slow_after", "GET", seconds=60)
            tasks.start_soon(ask, api)
            tasks.start_soon(ask, api)
            await simulator.until(lambda statistics: statistics.faults.total() == 2)
    assert caplog.records == []
    assert capfd.readouterr().err == ""


def chosen(faults: Faults, method: str, path: str, body: str = "") -> str:
    fault = faults.choose(method, path, body.encode())
    return "" if fault is None else fault.rule.kind.value


def test_a_rule_matches_method_path_and_body() -> None:
    faults = Faults(0)
    faults.plant("refused", "writes", "/customers*", body_contains="CT-2", times=None)
    assert chosen(faults, "POST", "/customers", '"CT-2"') == "refused"
    assert chosen(faults, "PUT", "/customers/1", '"CT-2"') == "refused"
    assert chosen(faults, "GET", "/customers", '"CT-2"') == ""
    assert chosen(faults, "POST", "/customers", '"CT-3"') == ""
    assert chosen(faults, "POST", "/invoices", '"CT-2"') == ""
    faults.plant("server_error_before", "reads", times=None)
    assert chosen(faults, "GET", "/anything") == "server_error_before"
    assert chosen(faults, "GET", TOKEN_PATH) == ""


def test_a_rule_fires_from_its_occurrence_on_as_often_as_it_may() -> None:
    faults = Faults(0)
    fault = faults.plant("refused", "POST", skip=2, times=2)
    assert [chosen(faults, "POST", "/customers") for _ in range(6)] == ["", "", "refused", "refused", "", ""]
    assert (fault.matched, fault.fired, fault.is_used_up) == (4, 2, True)


def test_the_first_rule_that_fires_decides() -> None:
    faults = Faults(0)
    faults.plant("refused")
    faults.plant("server_error_before")
    assert [chosen(faults, "GET", "/a") for _ in range(3)] == ["refused", "server_error_before", ""]


def test_random_rates_repeat_with_the_seed() -> None:
    def run(seed: int) -> list[str]:
        faults = Faults(seed)
        faults.plant("done_then_lost", "writes", probability=0.05, times=None)
        return [chosen(faults, "POST", "/customers") for _ in range(2000)]

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert 50 < run(7).count("done_then_lost") < 150


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "slow_before"},
        {"kind": "refused", "code": 0},
        {"kind": "refused", "status": 200},
        {"kind": "token_throttled", "path": "/customers"},
        {"kind": "rate_limited_43", "path": TOKEN_PATH},
        {"kind": "done_then_lost", "probability": 0},
        {"kind": "done_then_lost", "times": 0},
        {"kind": "done_then_lost", "pathh": "*"},
        {"kind": "unheard_of"},
    ],
)
def test_rules_that_make_no_sense_are_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FaultRule.model_validate(rule)


def test_every_kind_can_be_planted() -> None:
    faults = Faults(0)
    for kind in FaultKind:
        assert faults.plant(kind, seconds=1).rule.kind is kind


async def test_half_of_the_writes_lose_their_reply_and_none_is_done_twice(
    api: Api, simulator: RunningSimulator
) -> None:
    simulator.faults.plant("done_then_lost", "writes", probability=0.5, times=None)
    lost = 0
    for number in range(40):
        try:
            await api.create(f"C{number}")
        except httpx.RemoteProtocolError:
            lost += 1
    assert 5 < lost < 35
    assert customers(simulator) == 40
    assert simulator.statistics.created_more_than_once("customers", "display_name") == {}


def test_defaults_are_strict() -> None:
    assert SimulatorSettings().limits == LimitSettings(
        requests_per_minute=100, requests_per_day=1000, concurrent_requests=5
    )
