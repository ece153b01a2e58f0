"""Connections that end badly. ASGI has no word for it, so the transport is handed to the application."""

import socket
import struct
from asyncio import BaseTransport, Transport

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from outbox.simulator.replies import BrokenConnection

LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the kernel sends RST and drops what was not sent."""


class ConnectionProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with its transport in the ASGI scope as ``scope["state"]["transport"]``.

    Always the h11 one: a simulator that behaved otherwise wherever httptools is installed would be two
    simulators.
    """

    def connection_made(self, transport: BaseTransport) -> None:
        """Remember the transport for the requests of this connection."""
        assert isinstance(transport, Transport)  # noqa: S101 - for the type
        super().connection_made(transport)
        self.app_state = {"transport": transport}


async def end_connection(scope: Scope, receive: Receive, broken: BrokenConnection) -> None:
    """Send `broken.partial`, end the TCP connection, and return when it has ended.

    Returning earlier would let uvicorn answer 500 for an application that did not reply.
    """
    transport: Transport = scope["state"]["transport"]
    if broken.partial:
        transport.write(broken.partial)
    if broken.reset:
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
