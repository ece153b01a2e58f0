"""The listening socket: a loop beside the dispatcher's, which it can neither stop nor hold up.

uvicorn's HTTP protocol on a server of our own: ``uvicorn.Server`` takes over the process's signals, and has no bound on
how long a client may take over its request (slowloris). Here each connection has a deadline for whatever comes next:
its request's head, the whole request with its answer, the next request. There are at most :data:`MOST_CONNECTIONS`; one
more takes the place of whichever has been silent longest.

Rejected: a thread with an event loop of its own. It would keep a handler that computes for seconds from delaying the
dispatcher, at the price of state shared between threads; handlers do nothing but wait for bounded statements and fill
in templates of bounded length.
"""

import asyncio
import errno
import logging
import socket
from asyncio import BaseTransport, TimerHandle, Transport
from typing import Any

import anyio
import structlog
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from daemon.supervision import Supervisor
from outbox.logs import Event
from outbox.settings import ListenAddress

NAME = "http"

RETRY_SECONDS = 30.0
"""Between attempts to get the address (interface.md)."""

PROGRESS_SECONDS = 10.0

MOST_CONNECTIONS = 64

LONGEST_HEAD = 16 * 1024
"""Bytes of a request's first line and headers."""

HEAD_SECONDS = 10.0
"""From the connection, or from the last answer, until a request's head is complete."""

EXCHANGE_SECONDS = 30.0
"""From there until the answer has been taken: more than :data:`daemon.web.guard.REQUEST_SECONDS`."""

GOODBYE_SECONDS = 1.0
"""For answers that are on their way when the daemon stops."""


class BoundedConnection(H11Protocol):
    """uvicorn's protocol with a deadline, and without a log: refusals of strangers' bytes would fill ours."""

    def __init__(self, config: Config, state: ServerState, opened: dict["BoundedConnection", None]) -> None:
        super().__init__(config, state, {})
        self.logger = logging.Logger("daemon.web.server", logging.CRITICAL + 1)
        self.access_log = False
        self._opened = opened
        """All there are, the one that was silent longest first."""
        self._deadline: TimerHandle | None = None
        self._awaits: tuple[RequestResponseCycle | None, bool] | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: BaseTransport) -> None:
        """Takes the place of another one where there are too many."""
        if not isinstance(transport, Transport):
            raise TypeError(f"{transport!r} is no transport of a TCP connection")
        super().connection_made(transport)
        if len(self._opened) >= MOST_CONNECTIONS:
            idle = next((connection for connection in self._opened if not connection.busy), self)
            idle.transport.abort()
            self._opened.pop(idle, None)
            if idle is self:
                return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """No deadline any more."""
        super().connection_lost(exc)
        self._opened.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()

    def data_received(self, data: bytes) -> None:
        """More of a request. It does not move the deadline: only its end does."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """The next request may come, or has come already."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        awaits = (self.cycle, self.busy)
        if awaits == self._awaits or self.transport.is_closing():
            return
        self._awaits = awaits
        self._opened.pop(self, None)
        self._opened[self] = None
        if self._deadline is not None:
            self._deadline.cancel()
        seconds = EXCHANGE_SECONDS if self.busy else HEAD_SECONDS
        self._deadline = self.loop.call_later(seconds, self.transport.abort)


class WebServer:
    """Serves an application at an address, for ever."""

    def __init__(self, application: ASGIApp, listen: ListenAddress, supervisor: Supervisor) -> None:
        self._listen = listen
        self._supervisor = supervisor
        self._config = Config(
            application,
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(HEAD_SECONDS),
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )

    async def run(self) -> None:
        """Serves until cancelled. An address that cannot be had is said once, and tried again."""
        self._config.load()
        log = structlog.get_logger()
        said = False
        while True:
            try:
                listeners = await bound_sockets(self._listen)
            except OSError as taken:
                if not said:
                    said = True
                    log.warning(
                        Event.HTTP_NOT_LISTENING,
                        address=str(self._listen),
                        reason=taken.strerror or str(taken),
                        advice=f"tried again every {RETRY_SECONDS:.0f} s, sending goes on; set OUTBOX_HTTP_LISTEN to "
                        "another address, or leave it empty",
                    )
                await self._rest(RETRY_SECONDS)
                continue
            said = False
            address = ListenAddress(self._listen.host, listeners[0].getsockname()[1])
            log.info(Event.HTTP_LISTENING, address=f"http://{address}/")
            await self._serve(listeners)

    async def _rest(self, seconds: float) -> None:
        """Waits, and says meanwhile that the loop moves."""
        left = seconds
        while left > 0:
            self._supervisor.progress(NAME)
            await anyio.sleep(min(left, PROGRESS_SECONDS))
            left -= PROGRESS_SECONDS

    async def _serve(self, listeners: list[socket.socket]) -> None:
        state = ServerState()
        opened: dict[BoundedConnection, None] = {}
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        try:
            servers.extend(
                [
                    await loop.create_server(lambda: BoundedConnection(self._config, state, opened), sock=listener)
                    for listener in listeners
                ]
            )
            while True:
                self._supervisor.progress(NAME)
                await anyio.sleep(PROGRESS_SECONDS)
        finally:
            for server in servers:
                server.close()
            with anyio.CancelScope(shield=True):
                await _part(state)


async def _part(state: ServerState) -> None:
    """Ends the connections: at once where nothing is under way, else within :data:`GOODBYE_SECONDS`."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=GOODBYE_SECONDS)
    for connection in list(state.connections):
        connection.transport.abort()
    for task in list(state.tasks):
        task.cancel()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=GOODBYE_SECONDS)


_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Of one of a name's addresses: localhost is ::1 too, also on machines without IPv6."""


async def bound_sockets(listen: ListenAddress) -> list[socket.socket]:
    """Listening sockets on every address of the host. Raises OSError where one is in use, or none can be had."""
    found = await asyncio.get_running_loop().getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )
    listeners: list[socket.socket] = []
    absent = OSError(errno.EADDRNOTAVAIL, f"{listen.host} has no address here")
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                listeners.append(_bound_socket(family, kind, protocol, address))
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                absent = error
        if not listeners:
            raise absent
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bound_socket(family: socket.AddressFamily, kind: socket.SocketKind, protocol: int, address: Any) -> socket.socket:
    # With the protocol given asyncio sets TCP_NODELAY.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
