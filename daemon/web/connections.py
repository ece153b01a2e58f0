"""The web application's own connections: few, and no statement on them runs for long.

Not the dispatcher's pool: a page that waits must never keep a settlement from its connection. The server ends a
statement by itself, too: a request that was given up would otherwise go on there for the 60 s of the role.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from outbox.database import Database
from outbox.database.access import Connection, sever

CONNECTIONS = 3
"""At once, for pages and API; whoever comes fourth waits for the first."""

STATEMENT_SECONDS = 5.0
"""Of a page's statement; they are written to take milliseconds."""

PROBE_SECONDS = 2.0
"""Of a statement for health and metrics."""

MARGIN_SECONDS = 1.0
"""By which the server's bound comes before ours: its answer leaves the connection usable."""


class WebDatabase(Database):
    """A :class:`Database` whose every block is a transaction with a ``statement_timeout``.

    ``SET LOCAL`` and no start-up option, because poolers in transaction mode refuse the one and forget the other.
    """

    def __init__(
        self,
        dsn: SecretStr,
        *,
        application_name: str = "zoho-outbox http",
        connections: int = CONNECTIONS,
        statement_seconds: float = STATEMENT_SECONDS,
    ) -> None:
        super().__init__(dsn, application_name=application_name, connections=connections)
        self._statement_seconds = statement_seconds
        self._used: set[Connection] = set()

    async def close(self) -> None:
        """Closes all connections, also those in use: whoever waits on one fails at once, and holds up no ending."""
        for connection in self._used:
            sever(connection)
        await super().close()

    @asynccontextmanager
    async def connection(self, *, seconds: float | None = None) -> AsyncIterator[Connection]:
        """A transaction for the block. A longer ``seconds`` than the bound of this database counts as that bound."""
        bound = self._statement_seconds if seconds is None else min(seconds, self._statement_seconds)
        async with super().connection(seconds=bound + MARGIN_SECONDS) as connection, connection.transaction():
            await connection.execute(
                "SELECT set_config('statement_timeout', %s, true)", [f"{max(1, round(bound * 1000))}ms"]
            )
            self._used.add(connection)
            try:
                yield connection
            finally:
                self._used.discard(connection)
