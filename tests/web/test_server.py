"""The listening socket: what clients may do to it, and that it neither stops nor holds up anybody."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
import structlog.testing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.supervision import Supervisor
from daemon.web import server
from daemon.web.server import NAME, WebServer, bound_sockets
from outbox.clock import SystemClock
from outbox.logs import Event
from outbox.settings import ListenAddress

pytestmark = pytest.mark.anyio


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {len(await request.body())}")


def small(*routes: Route) -> Starlette:
    return Starlette(routes=[Route("/", hello, methods=["GET", "POST"]), *routes])


@asynccontextmanager
async def serving(application: ASGIApp, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """The port of a server that answers."""
    port = free_port()
    supervisor = Supervisor(SystemClock())
    web = WebServer(application, ListenAddress(host, port), supervisor)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.keep, NAME, web.run)
        await answering(port)
        yield port
        tasks.cancel_scope.cancel()


async def answering(port: int) -> None:
    with anyio.fail_after(20):
        while True:
            try:
                await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
            except OSError:
                await anyio.sleep(0.02)
            else:
                return


async def ask(port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") -> bytes:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request)
        return await rest_of(stream)


async def rest_of(stream: anyio.abc.ByteReceiveStream) -> bytes:
    """All until the server ends the connection, well or not."""
    parts = []
    with anyio.fail_after(20):
        try:
            while True:
                parts.append(await stream.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b"".join(parts)


async def test_it_answers_and_says_where() -> None:
    with structlog.testing.capture_logs() as said:
        async with serving(small()) as port:
            answer = await ask(port)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"GET 0")
    assert [(line["event"], line["address"]) for line in said] == [(Event.HTTP_LISTENING, f"http://127.0.0.1:{port}/")]


async def test_connections_are_used_again() -> None:
    async with serving(small()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        for size in (3, 70_000, 1):
            await stream.send(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (size, b"x" * size)
            )
            with anyio.fail_after(20):
                answer = await stream.receive()
                while not answer.endswith(b"POST %d" % size):
                    answer += await stream.receive()


async def test_a_name_is_all_its_addresses() -> None:
    listeners = await bound_sockets(ListenAddress("localhost", 0))
    try:
        assert {listener.getsockname()[0] for listener in listeners} <= {"127.0.0.1", "::1"}
        assert listeners
    finally:
        for listener in listeners:
            listener.close()


async def test_an_address_that_is_in_use_is_said_once_and_had_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RETRY_SECONDS", 0.05)
    supervisor = Supervisor(SystemClock())
    with socket.socket() as taken, structlog.testing.capture_logs() as said:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        web = WebServer(small(), ListenAddress("127.0.0.1", port), supervisor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervisor.keep, NAME, web.run)
            with anyio.fail_after(20):
                while not said:  # noqa: ASYNC110 - the log is a list
                    await anyio.sleep(0.02)
            await anyio.sleep(0.3)  # several attempts more
            assert [line["event"] for line in said] == [Event.HTTP_NOT_LISTENING]
            assert said[0]["log_level"] == "warning"
            assert "OUTBOX_HTTP_LISTEN" in said[0]["advice"]
            assert supervisor.failing == []
            taken.close()
            with anyio.fail_after(20):
                while len(said) < 2:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            assert said[1]["event"] == Event.HTTP_LISTENING
            assert (await ask(port)).endswith(b"GET 0")
            tasks.cancel_scope.cancel()


class TestClientsThatTakeTheirTime:
    async def test_a_head_that_never_ends_ends_the_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.4)

        async def trickle(stream: anyio.abc.ByteSendStream) -> None:
            with suppress(anyio.BrokenResourceError):
                await stream.send(b"GET / HTTP/1.1\r\n")
                while True:
                    await stream.send(b"X-A: b\r\n")
                    await anyio.sleep(0.05)

        async with (
            serving(small()) as port,
            await anyio.connect_tcp("127.0.0.1", port) as stream,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(trickle, stream)
            assert await rest_of(stream) == b""
            tasks.cancel_scope.cancel()

    async def test_silence_does_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
        async with serving(small()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
            assert await rest_of(stream) == b""

    async def test_a_body_that_never_ends_does_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "EXCHANGE_SECONDS", 0.2)
        async with serving(small()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
            assert await rest_of(stream) == b""

    async def test_an_answer_that_nobody_takes_does_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "EXCHANGE_SECONDS", 0.2)
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
        ended = anyio.Event()

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 100_000
                await anyio.lowlevel.checkpoint()

        async def large(_: Request) -> Response:
            return StreamingResponse(endless())

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await small(Route("/large", large))(scope, receive, send)
            finally:
                ended.set()

        async with serving(app) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with anyio.fail_after(20):
                await ended.wait()
            assert (await rest_of(stream)).startswith(b"HTTP/1.1 200 OK")

    async def test_a_head_that_is_too_long_is_refused(self) -> None:
        async with serving(small()) as port:
            head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 40_000
            assert (await ask(port, head)).startswith(b"HTTP/1.1 400")

    async def test_what_is_no_http_is_refused_and_not_logged(self) -> None:
        with structlog.testing.capture_logs() as said:
            async with serving(small()) as port:
                assert (await ask(port, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert [line["event"] for line in said] == [Event.HTTP_LISTENING]

    async def test_many_that_say_nothing_make_room_for_who_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "MOST_CONNECTIONS", 4)
        async with serving(small()) as port:
            silent = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(12)]
            try:
                assert (await ask(port)).endswith(b"GET 0")
                assert await rest_of(silent[0]) == b""
            finally:
                for stream in silent:
                    await stream.aclose()


class TestItsEnd:
    async def test_what_hangs_is_cut_off(self) -> None:
        begun = anyio.Event()

        async def hang(_: Request) -> Response:
            begun.set()
            await anyio.sleep_forever()
            raise AssertionError

        async with anyio.create_task_group() as tasks:
            stream: anyio.abc.SocketStream | None = None
            async with serving(small(Route("/hang", hang))) as port:
                stream = await anyio.connect_tcp("127.0.0.1", port)
                await stream.send(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
                with anyio.fail_after(20):
                    await begun.wait()
            assert b"200 OK" not in await rest_of(stream)
            await stream.aclose()
            tasks.cancel_scope.cancel()

    async def test_an_answer_on_its_way_arrives(self) -> None:
        begun, go_on = anyio.Event(), anyio.Event()

        async def slow(_: Request) -> Response:
            begun.set()
            await go_on.wait()
            return PlainTextResponse("here it is")

        answers = []

        async def client(port: int) -> None:
            answers.append(await ask(port, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"))

        async with anyio.create_task_group() as tasks, serving(small(Route("/slow", slow))) as port:
            tasks.start_soon(client, port)
            with anyio.fail_after(20):
                await begun.wait()
            go_on.set()
        assert answers[0].endswith(b"here it is")

    async def test_its_port_is_free_at_once(self) -> None:
        async with serving(small()) as port:
            stream = await anyio.connect_tcp("127.0.0.1", port)
        for listener in await bound_sockets(ListenAddress("127.0.0.1", port)):
            listener.close()
        await stream.aclose()
