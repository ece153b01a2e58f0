"""The host's applications and its operators: connections that survive the database's restarts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.host.databases import Database
from tests.migration.migrated import OPERATOR

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

LOCK_SECONDS = 20.0
"""Whoever waits longer for a row was kept waiting by a daemon: no transaction of ours stays open for so long."""

_EXPECTED = frozenset({"23503", "23505"})
"""Foreign and unique keys: what the dice ask for is sometimes impossible."""


@dataclass
class Applications:
    """Carries out what the generators think of; remembers what the host would have complained about."""

    database: Database
    complaints: list[str] = field(default_factory=list)
    """Errors that applications must not see: a trigger that failed, a lock that was not released."""
    committed: int = 0
    _idle: dict[str, list[Connection]] = field(default_factory=dict)

    async def transact(self, work: Callable[[Connection], Awaitable[None]], *, as_operator: bool = False) -> bool:
        """Runs ``work`` in a transaction and commits; whether that is certain.

        An outage of the database undoes it, or does not: either will do. ``work`` may raise :class:`psycopg.Rollback`
        to take everything back.
        """
        user = OPERATOR if as_operator else ""
        try:
            async with self._connection(user) as connection:
                async with connection.transaction():
                    await work(connection)
                self.committed += 1
                return True
        except (psycopg.OperationalError, OSError) as error:
            if getattr(error, "sqlstate", None) in {"55P03", "40P01", "57014"}:
                self.complaints.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.2)
        except psycopg.Error as error:
            if error.sqlstate not in _EXPECTED:
                self.complaints.append(f"{type(error).__name__} {error.sqlstate}: {error}")
        return False

    async def close(self) -> None:
        """Closes every connection."""
        for connections in self._idle.values():
            while connections:
                await connections.pop().close()

    @asynccontextmanager
    async def _connection(self, user: str) -> AsyncIterator[Connection]:
        idle = self._idle.setdefault(user, [])
        connection = idle.pop() if idle else await self._connect(user)
        try:
            yield connection
        finally:
            if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                await connection.close()
            else:
                idle.append(connection)

    async def _connect(self, user: str) -> Connection:
        dsn = self.database.dsn(user) if user else self.database.dsn()
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
        await connection.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}".encode())
        return connection
