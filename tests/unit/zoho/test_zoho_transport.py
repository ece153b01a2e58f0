"""Real sockets: each way in which a connection dies arrives as the class that is true of it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from outbox.clock import ManualClock, SystemClock
from outbox.vocabulary import FailureClass, Urgency
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import open_http
from outbox.zoho.exchange import ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind

from .fakes import (
    Conversation,
    MemoryBudget,
    MemoryVault,
    RawServer,
    http_reply,
    no_sleep,
    raw_server,
    read_request,
    settings_for,
)

pytestmark = pytest.mark.anyio

CREATE = ApiRequest("POST", "/customers", body={"display_name": "A"})
UPDATE = ApiRequest("PUT", "/customers/1", body={"display_name": "A"})
Script = Callable[[RawServer], Conversation]
READ = ApiRequest("GET", "/customers/1")
GOOD = b'{"code":0,"message":"success"}'


@asynccontextmanager
async def client_of(url: str, seconds: str = "5") -> AsyncIterator[ZohoClient]:
    settings = settings_for(
        ZOHO_API_BASE_URL=f"{url}/billing/v1",
        ZOHO_ACCOUNTS_BASE_URL=url,
        ZOHO_REQUEST_TIMEOUT_SECONDS=seconds,
    )
    vault = MemoryVault(ManualClock())
    vault.put("1000.aaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbb", 3600)
    async with open_http(settings) as http:
        clock = SystemClock()
        tokens = AccessTokens(vault, http, settings, clock)
        yield ZohoClient(http, tokens, MemoryBudget(), settings, clock, sleep=no_sleep)


async def failure_of(client: ZohoClient, request: ApiRequest) -> Failure:
    with pytest.raises(CallFailed) as caught:
        await client.send(request, urgency=Urgency.LIVE)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value.failure


def answering(*parts: bytes) -> Script:
    """Reads a request, writes the parts, hangs up."""

    def converse(server: RawServer) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.heads.append(await read_request(reader))
            for part in parts:
                writer.write(part)
                await writer.drain()

        return talk

    return converse


def resetting(server: RawServer) -> Conversation:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.heads.append(await read_request(reader))
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


def silent(server: RawServer) -> Conversation:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.heads.append(await read_request(reader))
        await reader.read()

    return talk


def dribbling(server: RawServer) -> Conversation:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    return talk


LOST: dict[str, tuple[Script, FailureKind]] = {
    "hangs up before the reply": (answering(), FailureKind.CONNECTION_LOST),
    "hangs up within the status line": (answering(b"HTTP/1.1 20"), FailureKind.CONNECTION_LOST),
    "hangs up within the headers": (answering(b"HTTP/1.1 200 OK\r\nContent-"), FailureKind.CONNECTION_LOST),
    "cuts the body short": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", GOOD),
        FailureKind.TRUNCATED,
    ),
    "cuts a chunked body short": (
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10\r\nabc"),
        FailureKind.TRUNCATED,
    ),
    "speaks no HTTP": (answering(b"220 mail.example ESMTP\r\n\r\n"), FailureKind.CONNECTION_LOST),
    "lies about its encoding": (
        answering(http_reply(GOOD, headers={"Content-Encoding": "gzip"})),
        FailureKind.TRUNCATED,
    ),
    "resets": (resetting, FailureKind.CONNECTION_LOST),
}


@pytest.mark.parametrize("way", LOST)
@pytest.mark.parametrize(
    ("request_", "failure_class"),
    [
        (CREATE, FailureClass.AMBIGUOUS),
        (UPDATE, FailureClass.TRANSIENT),
        (READ, FailureClass.TRANSIENT),
    ],
    ids=["create", "update", "read"],
)
async def test_a_lost_reply_is_ambiguous_for_a_create_alone(
    way: str, request_: ApiRequest, failure_class: FailureClass
) -> None:
    converse, kind = LOST[way]
    async with raw_server(converse) as server, client_of(server.url) as client:
        failure = await failure_of(client, request_)
    assert (failure.failure_class, failure.kind, failure.request_left) == (failure_class, kind, True)
    assert len(server.heads) == (3 if request_.is_read else 1), "reads are tried three times, writes once"


@pytest.mark.parametrize("converse", [silent, dribbling], ids=["says nothing", "sends a byte now and then"])
async def test_the_time_out_bounds_the_whole_exchange(converse: Script) -> None:
    async with raw_server(converse) as server, client_of(server.url, seconds="0.3") as client:
        failure = await failure_of(client, CREATE)
    assert (failure.failure_class, failure.kind) == (FailureClass.AMBIGUOUS, FailureKind.TIMED_OUT)
    assert failure.request_left


async def test_a_server_that_never_accepts_may_have_the_request() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        async with client_of(f"http://127.0.0.1:{listener.getsockname()[1]}", seconds="0.3") as client:
            failure = await failure_of(client, CREATE)
    assert failure.failure_class is FailureClass.AMBIGUOUS
    assert failure.request_left


async def test_a_refused_connection_is_an_outage_and_nothing_left() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with client_of(url) as client:
            failure = await failure_of(client, CREATE)
    assert (failure.failure_class, failure.kind) == (FailureClass.OUTAGE, FailureKind.UNREACHABLE)
    assert not failure.request_left


async def test_a_failing_tls_handshake_is_an_outage_and_nothing_left() -> None:
    async with (
        raw_server(answering(b"no TLS here\r\n\r\n")) as server,
        client_of(server.url.replace("http:", "https:")) as client,
    ):
        failure = await failure_of(client, CREATE)
    assert (failure.failure_class, failure.request_left) == (FailureClass.OUTAGE, False)


async def test_a_handshake_that_hangs_is_an_outage_and_nothing_left() -> None:
    def deaf(server: RawServer) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                pass

        return talk

    async with (
        raw_server(deaf) as server,
        client_of(server.url.replace("http:", "https:"), seconds="0.6") as client,
    ):
        failure = await failure_of(client, CREATE)
    assert (failure.failure_class, failure.request_left) == (FailureClass.OUTAGE, False)


@pytest.mark.parametrize("request_", [CREATE, UPDATE], ids=["create", "update"])
async def test_a_write_on_a_dead_kept_alive_connection_leaves_once(request_: ApiRequest) -> None:
    def second_is_cut(server: RawServer) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.heads.append(await read_request(reader))
            writer.write(http_reply(GOOD))
            await writer.drain()
            server.heads.append(await read_request(reader))

        return talk

    async with raw_server(second_is_cut) as server, client_of(server.url) as client:
        await client.send(READ, urgency=Urgency.LIVE)
        failure = await failure_of(client, request_)
    assert failure.kind is FailureKind.CONNECTION_LOST
    assert len(server.heads) == 2, "the transport repeated a write behind the budget's back"


async def test_what_is_asked_arrives_as_it_was_meant() -> None:
    request = ApiRequest(
        "GET",
        f"/plans/{path_segment('a b/c+ü%')}",
        query={"email": "joe+x@example.com", "name": "A & B=C ü"},
    )
    async with raw_server(answering(http_reply(GOOD))) as server, client_of(server.url) as client:
        reply = await client.send(request, urgency=Urgency.LIVE)
    line, *headers = server.heads[0].decode().split("\r\n")
    headers = [header.lower() for header in headers]
    assert reply.code == 0
    path, _, query = line.split(" ")[1].partition("?")
    assert path == "/billing/v1/plans/a%20b%2Fc%2B%C3%BC%25"
    assert sorted(query.split("&")) == ["email=joe%2Bx@example.com", "name=A+%26+B%3DC+%C3%BC"]
    assert "x-com-zoho-subscriptions-organizationid: 60001234567" in headers
    assert any(header.startswith("user-agent: zoho-outbox/") for header in headers)


async def test_cookies_and_redirects_are_not_followed() -> None:
    reply = http_reply(b"", status="302 Found", headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})
    async with raw_server(answering(reply)) as server, client_of(server.url) as client:
        failure = await failure_of(client, READ)
    assert failure.kind is FailureKind.NOT_ZOHO
    assert all(b"elsewhere" not in head and b"ookie" not in head for head in server.heads)


@pytest.mark.parametrize("proxied", ["HTTP_PROXY", "http_proxy"])
async def test_loopback_never_goes_through_a_proxy(proxied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(proxied, "http://127.0.0.1:9")
    async with raw_server(answering(http_reply(GOOD))) as server, client_of(server.url) as client:
        assert (await client.send(READ, urgency=Urgency.LIVE)).http_status == 200


async def test_zohos_hosts_go_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(server: RawServer) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.heads.append(await read_request(reader))
            writer.write(http_reply(b"", status="503 Service Unavailable"))
            await writer.drain()

        return talk

    async with raw_server(refusing) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with client_of("https://zoho.invalid") as client:
            failure = await failure_of(client, CREATE)
    assert proxy.heads[0].startswith(b"CONNECT zoho.invalid:443 ")
    assert b"oauthtoken" not in proxy.heads[0]
    assert (failure.failure_class, failure.request_left) == (FailureClass.OUTAGE, False)
