"""A way to Zoho on which a certain text kills whoever sends it: a row that crashes the process, seen from outside."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from outbox.simulator.serving import LOOPBACK

_CHUNK = 65_536


class KillingPath:
    """Forwards connections to ``target_port`` on the loopback.

    A request that holds ``poison`` is not forwarded: :attr:`strike` is called, and its connection ends.
    """

    def __init__(self, target_port: int, poison: bytes) -> None:
        self.port = 0
        """Known once it is entered."""
        self.strike: Callable[[], None] = lambda: None
        self._target_port = target_port
        self._poison = poison
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        while self._tasks:
            for writer in self._open:
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        server: asyncio.StreamWriter | None = None
        try:
            server_reader, server = await asyncio.open_connection(LOOPBACK, self._target_port)
            answers = asyncio.ensure_future(_pump(server_reader, writer))
            try:
                await self._watch(reader, server)
            finally:
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            for end in (writer, server):
                if end is not None:
                    end.transport.abort()

    async def _watch(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        seen = b""
        while data := await reader.read(_CHUNK):
            # It may come in two pieces.
            seen = seen[-len(self._poison) :] + data
            if self._poison in seen:
                self.strike()
                return
            server.write(data)
            await server.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
