"""Connections to PostgreSQL of which none can hang.

Every call has a deadline. When it passes, the connection's socket is shut down, libpq sees the end of the stream,
and the call fails at once. The alternatives were measured on psycopg 3.3 and a frozen path: ``fail_after`` round an
``execute`` takes up to 10 s more than asked (a cancelled wait first tries to cancel the query on the server), and
``psycopg_pool``'s ``connection()`` hangs past its time-out. The pool is a stack under a semaphore for the same
reason, and for another: psycopg_pool's pause between connection attempts doubles without end, and failures.md (5)
wants the daemon to move within 5 s of the database's return.

Connections are in autocommit mode and keep no session state, so that a pooler in transaction mode may stand between.
Statements are prepared only where none does: the process that answers is the one that greeted (its pid, which a pooler
makes up). Planning is two thirds of what small statements cost; those whose plan does not hang on their parameters ask
for it (``prepare``). The others are planned anew each time: a generic plan made settlement of a batch twice as dear.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

import anyio
import psycopg
import simplejson
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from pydantic import SecretStr

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
Query = LiteralString | bytes | sql.SQL | sql.Composed

DEADLINE_SECONDS = 10.0
"""Bound of one call, where the caller names no other (admission 30, readings of commands 60): so also of how long a
frozen connection goes unnoticed."""

CONNECT_SECONDS = 5.0

ASKED_TO = 1_000_000_000
"""psycopg's threshold: prepared is what asks for it, and nothing because it is frequent."""

PLAN_LOST = frozenset({"26000", "42P05", "0A000"})
"""States of a prepared statement that nobody or another session prepared (a pooler stands between after all), or that
returns another type since (the host altered a column)."""


class DatabaseUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """The database cannot be reached, went away in the middle, is starting, stopping or read-only. Try again later.

    The text carries no password: psycopg's messages name host, port, user and database at most.
    """


def connection_parameters(dsn: str, application_name: str) -> str:
    """Adds to a libpq URL or DSN what bounds a dead path, without overriding what it says itself."""
    given = conninfo_to_dict(dsn)
    defaults: dict[str, str | int] = {
        "application_name": application_name,
        "connect_timeout": int(CONNECT_SECONDS),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        # After a failover one of several hosts is read-only: that one is not the database.
        "target_session_attrs": "read-write",
    }
    return make_conninfo("", **{**defaults, **{key: str(value) for key, value in given.items() if value is not None}})


TRY_AGAIN = frozenset(
    {
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "25006",  # read_only_sql_transaction: after a failover
        "25P03",  # idle_in_transaction_session_timeout
        "57014",  # query_canceled: a statement_timeout of the role or database
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available
    }
)
"""States, beside the classes 08 and 53, after which the same statement may succeed."""


def is_unavailability(error: psycopg.Error) -> bool:
    """Whether the database is away (try again later), rather than the statement wrong.

    Class 08 connection, 53 resources, and :data:`TRY_AGAIN`; and every OperationalError without a state, which is how
    libpq reports a broken socket.
    """
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in {"08", "53"} or state in TRY_AGAIN


class Database:
    """A small pool of bounded connections to one database."""

    def __init__(self, dsn: SecretStr, *, application_name: str, connections: int = 4) -> None:
        self._conninfo = SecretStr(connection_parameters(dsn.get_secret_value(), application_name))
        self._free: list[Connection] = []
        self._may_prepare = True
        self._places = anyio.Semaphore(connections)

    async def connect(self) -> Connection:
        """Opens a connection outside the pool (the listener's). The caller closes it.

        Raises :class:`DatabaseUnavailable`.
        """
        try:
            with anyio.fail_after(CONNECT_SECONDS + 1):
                connection = await psycopg.AsyncConnection.connect(
                    self._conninfo.get_secret_value(),
                    autocommit=True,
                    prepare_threshold=None,
                    row_factory=dict_row,
                )
        except TimeoutError:
            raise DatabaseUnavailable(f"no connection within {CONNECT_SECONDS + 1:.0f} s") from None
        except psycopg.Error as error:
            raise DatabaseUnavailable(_first_line(error)) from None
        # Amounts stand in jsonb columns, too (line_items, replies of Zoho's): none of them becomes a float.
        set_json_loads(_loads, connection)
        set_json_dumps(_dumps, connection)
        return connection

    async def _prepare_where_direct(self, connection: Connection) -> None:
        answer = await (await connection.execute("SELECT pg_backend_pid() AS pid")).fetchone()
        if self._may_prepare and answer is not None and answer["pid"] == connection.info.backend_pid:
            connection.prepare_threshold = ASKED_TO

    async def close(self) -> None:
        """Closes the idle connections; those in use are closed when they come back."""
        while self._free:
            await _close(self._free.pop())

    @asynccontextmanager
    async def connection(self, *, seconds: float = DEADLINE_SECONDS) -> AsyncIterator[Connection]:
        """A connection for the block, which must end within ``seconds``.

        Raises :class:`DatabaseUnavailable` where the database is or goes away; other ``psycopg.Error`` pass.
        """
        async with self._places:
            connection = await self._take()
            deadline = _Deadline(connection, seconds)
            healthy = False
            try:
                yield connection
                healthy = not deadline.passed
            except psycopg.Error as error:
                if deadline.passed:
                    raise DatabaseUnavailable(f"no answer within {seconds:g} s") from None
                if error.sqlstate in PLAN_LOST and connection.prepare_threshold is not None:
                    self._may_prepare = False
                    await self.close()
                    raise DatabaseUnavailable("a prepared statement is not valid any more, none is prepared") from None
                if is_unavailability(error):
                    raise DatabaseUnavailable(_first_line(error)) from None
                healthy = True
                raise
            finally:
                deadline.cancel()
                idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
                if healthy and idle and not connection.closed:
                    self._free.append(connection)
                else:
                    await _close(connection)

    @asynccontextmanager
    async def transaction(self, *, seconds: float = DEADLINE_SECONDS) -> AsyncIterator[Connection]:
        """A transaction for the block, committed at its end. Bounds and errors as :meth:`connection`."""
        async with self.connection(seconds=seconds) as connection, connection.transaction():
            yield connection

    async def rows(
        self,
        query: Query,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        seconds: float = DEADLINE_SECONDS,
        prepare: bool = False,
    ) -> list[Row]:
        """Runs one statement that returns rows."""
        async with self.connection(seconds=seconds) as connection:
            return await (await connection.execute(query, parameters, prepare=prepare)).fetchall()

    async def row(
        self,
        query: Query,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        seconds: float = DEADLINE_SECONDS,
        prepare: bool = False,
    ) -> Row | None:
        """Runs one statement that returns at most one row."""
        async with self.connection(seconds=seconds) as connection:
            return await (await connection.execute(query, parameters, prepare=prepare)).fetchone()

    async def only_row(
        self,
        query: Query,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        seconds: float = DEADLINE_SECONDS,
    ) -> Row:
        """Runs one statement that returns a row wherever the outbox's tables of one row have theirs.

        Raises LookupError where it returns none.
        """
        row = await self.row(query, parameters, seconds=seconds)
        if row is None:
            raise LookupError("zoho_outbox_private lacks its single rows; run zoho-outbox migrate")
        return row

    async def execute(
        self,
        query: Query,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        seconds: float = DEADLINE_SECONDS,
        prepare: bool = False,
    ) -> int:
        """Runs one statement and returns how many rows it touched."""
        async with self.connection(seconds=seconds) as connection:
            return (await connection.execute(query, parameters, prepare=prepare)).rowcount

    async def _take(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.closed:
                return connection
        connection = await self.connect()
        # A pooler in transaction mode leaves LISTEN on a server connection that serves us all: its notifications come
        # to whoever uses that one. psycopg keeps, without bound, what has no handler.
        connection.add_notify_handler(_ignore)
        try:
            with anyio.fail_after(CONNECT_SECONDS + 1):
                await self._prepare_where_direct(connection)
        except (TimeoutError, psycopg.Error) as error:
            await _close(connection)
            raise DatabaseUnavailable(_first_line(error)) from None
        return connection


def _loads(text: str | bytes) -> Any:
    return simplejson.loads(text, use_decimal=True)


def _dumps(value: Any) -> str:
    return simplejson.dumps(value, use_decimal=True)


class _Deadline:
    """Shuts a connection's socket down when the time is over."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.passed = False
        self._connection = connection
        self._timer = asyncio.get_running_loop().call_later(seconds, self._sever)

    def cancel(self) -> None:
        self._timer.cancel()

    def _sever(self) -> None:
        self.passed = True
        sever(self._connection)


def sever(connection: Connection) -> None:
    """Ends a connection under whoever waits on it: their wait fails now."""
    with suppress(OSError, psycopg.Error):
        duplicate = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


def _ignore(_: psycopg.Notify) -> None:
    """Only the listener's own connection hears."""


async def _close(connection: Connection) -> None:
    # Closing sends a Terminate message and waits for nothing, but is shielded: a cancelled task must not leave
    # the socket open behind.
    with anyio.CancelScope(shield=True), suppress(psycopg.Error, OSError):
        await connection.close()


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
