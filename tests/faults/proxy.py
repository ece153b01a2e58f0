"""A TCP proxy that breaks the connection between a process and its database or its API, on command.

Runs in the test's event loop::

    async with FaultProxy("127.0.0.1", server.port) as proxy:
        ...  # connect to proxy.host, proxy.port
        proxy.freeze()
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

Direction = Literal["to_server", "to_client"]

_CHUNK = 65_536


@dataclass(eq=False, slots=True)
class _Link:
    """One client's connection, and ours to the server on its behalf."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    forwarded: dict[Direction, int] = field(default_factory=lambda: {"to_server": 0, "to_client": 0})

    def abort(self) -> None:
        """Cut both sides at once, without the polite end that a closing program sends."""
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


class FaultProxy:
    """Forwards TCP connections to ``target_host``:``target_port`` until told otherwise.

    What it is told holds for the connections that are open and for those to come, until the next word.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        """Where it listens: a free port, known once it is entered."""
        self.accepted = 0
        """Connections accepted so far, those cut at once included."""
        self.holding = 0
        """Connections and pieces of data that a frozen path holds back now."""
        self._target = (target_host, target_port)
        self._listener: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._delay_seconds = 0.0
        self._cut_after: dict[Direction, int] = {}

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        self.forward()
        self.drop_connections()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    def forward(self) -> None:
        """Be no obstacle: everything passes, what was held back included."""
        self._refusing = False
        self._delay_seconds = 0.0
        self._cut_after = {}
        self._flowing.set()

    def drop_connections(self) -> None:
        """Cut every open connection (a reset, as a crash gives). New ones are served."""
        for link in list(self._links):
            link.abort()

    def drop(self) -> None:
        """Cut every connection, and every new one as soon as it is made."""
        self.forward()
        self._refusing = True
        self.drop_connections()

    def aim(self, target_host: str, target_port: int) -> None:
        """Serve new connections from another target, as an address does that moves in a failover."""
        self._target = (target_host, target_port)

    def freeze(self) -> None:
        """Keep every connection open, accept new ones, and forward nothing: a path that swallows packets."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Hold each piece of data back for so long, in both directions."""
        self.forward()
        self._delay_seconds = seconds

    def cut_after(self, count: int, direction: Direction) -> None:
        """Cut each connection once ``count`` more bytes went in this direction; these still arrive.

        With 0 ``to_client`` the request arrives and its reply is lost.
        """
        self.forward()
        self._cut_after = {direction: count}
        for link in self._links:
            link.forwarded[direction] = 0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = _Link(writer)
        if self._refusing:
            link.abort()
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        self._links.add(link)
        try:
            await self._passage()
            server_reader, link.server = await asyncio.open_connection(*self._target)
            if self._refusing:
                return
            pumps = [
                asyncio.ensure_future(self._pump(link, reader, link.server, "to_server")),
                asyncio.ensure_future(self._pump(link, server_reader, writer, "to_client")),
            ]
            # One side that says goodbye may still read; one that breaks ends both.
            await asyncio.gather(*pumps)
        except OSError:
            pass
        finally:
            link.abort()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _passage(self) -> None:
        self.holding += 1
        try:
            await self._flowing.wait()
        finally:
            self.holding -= 1

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        while data := await reader.read(_CHUNK):
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            await self._passage()
            limit = self._cut_after.get(direction)
            allowed = len(data) if limit is None else min(len(data), limit - link.forwarded[direction])
            writer.write(data[:allowed])
            link.forwarded[direction] += allowed
            await writer.drain()
            if limit is not None and link.forwarded[direction] >= limit:
                # Closed rather than aborted towards the receiver: an abort would throw away what it is owed.
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                link.abort()
                return
        await self._passage()
        if writer.can_write_eof():
            writer.write_eof()
