"""The fault proxy does what it is told to do, no more and no less."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import psycopg
import pytest

from tests.faults.proxy import FaultProxy
from tests.host.server import TestServer

pytestmark = pytest.mark.anyio

SECONDS = 20
"""Bounds every wait; nothing waits for it to pass."""


@dataclass
class Echo:
    """A server that sends back what it gets, and remembers it."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                async with self.changed:
                    self.heard += data
                    self.changed.notify_all()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def hears(self, expected: bytes) -> None:
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: bytes(self.heard) == expected)


Connect = Callable[[FaultProxy], Awaitable["Client"]]


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, question: bytes) -> bytes:
        self.writer.write(question)
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(len(question))

    async def rest(self) -> bytes:
        """What still arrives until the connection ends, whichever way it does."""
        got = b""
        async with asyncio.timeout(SECONDS):
            try:
                while data := await self.reader.read(1000):
                    got += data
            except ConnectionError:
                pass
        return got


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    clients: list[Client] = []

    async def connected(proxy: FaultProxy) -> Client:
        async with asyncio.timeout(SECONDS):
            client = Client(*await asyncio.open_connection(proxy.host, proxy.port))
        clients.append(client)
        return client

    yield connected
    for client in clients:
        client.writer.close()


async def test_it_forwards_both_ways(proxy: FaultProxy, connect: Connect) -> None:
    client = await connect(proxy)
    assert await client.ask(b"hello") == b"hello"
    client.writer.write_eof()
    assert await client.rest() == b""


async def test_dropping_cuts_open_connections_and_new_ones_until_it_forwards_again(
    proxy: FaultProxy, connect: Connect
) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    proxy.drop()
    assert await client.rest() == b""
    refused = await connect(proxy)
    assert await refused.rest() == b""
    proxy.forward()
    assert await (await connect(proxy)).ask(b"again") == b"again"


async def test_a_frozen_path_holds_everything_back_and_loses_nothing(
    proxy: FaultProxy, echo: Echo, connect: Connect
) -> None:
    old = await connect(proxy)
    await old.ask(b"before")
    proxy.freeze()
    new = await connect(proxy)
    for client in (old, new):
        client.writer.write(b"held")
    async with asyncio.timeout(SECONDS):
        while proxy.holding < 2:  # noqa: ASYNC110 - the proxy offers a count, no event
            await asyncio.sleep(0)
    assert bytes(echo.heard) == b"before"
    proxy.forward()
    for client in (old, new):
        async with asyncio.timeout(SECONDS):
            assert await client.reader.readexactly(4) == b"held"


async def test_a_delay_holds_back_each_piece_in_both_directions(
    proxy: FaultProxy, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    client = await connect(proxy)
    await client.ask(b"at once")
    proxy.delay(0.2)
    assert await client.ask(b"later") == b"later"
    assert slept == [0.2, 0.2]


async def test_a_request_cut_short_arrives_in_part_only(proxy: FaultProxy, echo: Echo, connect: Connect) -> None:
    client = await connect(proxy)
    await client.ask(b"whole")
    proxy.cut_after(3, "to_server")
    client.writer.write(b"broken")
    await echo.hears(b"wholebro")
    await client.rest()


async def test_a_lost_reply_leaves_the_request_done(proxy: FaultProxy, echo: Echo, connect: Connect) -> None:
    proxy.cut_after(0, "to_client")
    client = await connect(proxy)
    client.writer.write(b"create")
    assert await client.rest() == b""
    await echo.hears(b"create")


async def test_a_truncated_reply_arrives_in_part(proxy: FaultProxy, connect: Connect) -> None:
    proxy.cut_after(4, "to_client")
    client = await connect(proxy)
    client.writer.write(b"create")
    assert await client.rest() == b"crea"


async def test_a_server_that_is_not_there_is_a_connection_that_ends(connect: Connect) -> None:
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    async with FaultProxy("127.0.0.1", port) as proxy:
        assert await (await connect(proxy)).rest() == b""


async def test_it_stands_before_a_database(postgres: TestServer) -> None:
    server = psycopg.conninfo.conninfo_to_dict(postgres.dsn())
    async with FaultProxy(str(server["host"]), int(str(server["port"]))) as proxy:
        dsn = psycopg.conninfo.make_conninfo(postgres.dsn(), host=proxy.host, port=proxy.port)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
            proxy.drop()
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("SELECT 1")
