"""LISTEN, on a connection of its own, proved by a round trip.

A pooler in transaction mode accepts LISTEN and loses it without an error; a frozen path looks like silence. So every
few seconds a notification is sent to ourselves through the ordinary connections: if it does not come back, the
listener is deaf, the dispatcher polls, and the connection is made anew. The connection is read always: one that is
not read pins the notification queue, and writers fail when that is full.
"""

from collections.abc import Callable
from uuid import UUID

import anyio
import psycopg
import structlog

from daemon.supervision import Supervisor
from outbox.database import Database, DatabaseUnavailable
from outbox.database.access import Connection, sever
from outbox.logs import Event
from outbox.store.sessions import CHANNEL

PROBE_SECONDS = 10.0
ECHO_SECONDS = 5.0
"""A probe that has not come back after this long is lost: bound of an unnoticed deafness with PROBE_SECONDS: 15 s."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between connections that turn out to be deaf: a pooler in transaction mode stays one."""
LONGEST_ABSENCE_SECONDS = 3.0
"""Between attempts to connect at all: a way that is barred opens again."""

NAME = "listener"

DEAF_ADVICE = (
    "notifications do not arrive, changes are found by polling; if DATABASE_URL goes through a pooler in transaction "
    "mode, set DATABASE_LISTEN_URL to a direct connection"
)


class Listener:
    """Wakes the dispatcher when the bell rings."""

    def __init__(
        self,
        listening: Database,
        ordinary: Database,
        session: UUID,
        supervisor: Supervisor,
        wake: Callable[[], None],
    ) -> None:
        self._listening = listening
        self._ordinary = ordinary
        self._probe = f"probe {session}"
        self._supervisor = supervisor
        self._wake = wake
        self._echo = anyio.Event()
        self._said_deaf = False
        self._deaf_why = ""
        self.hears = False
        """Whether the last probe came back."""

    async def run(self) -> None:
        """Listens for ever; connects again whenever it turns out to be deaf."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            longest = LONGEST_PAUSE_SECONDS
            try:
                connection = await self._listening.connect()
            except DatabaseUnavailable as absent:
                # Raises where the database itself is away. Where it is not, the way of DATABASE_LISTEN_URL alone is
                # barred: that is deafness, and must not be told as a lost database.
                await self._ordinary.execute("SELECT 1")
                self._tell_deaf(f"no connection to listen on: {absent}")
                longest = LONGEST_ABSENCE_SECONDS
            else:
                if await self._listened(connection):
                    pause = FIRST_PAUSE_SECONDS
                self._tell_deaf(self._deaf_why)
            self._supervisor.progress(NAME)
            pause = min(pause, longest)
            await anyio.sleep(pause)
            pause *= 2

    def _tell_deaf(self, reason: str) -> None:
        if not self._said_deaf:
            self._said_deaf = True
            structlog.get_logger().warning(Event.LISTENER_DEAF, reason=reason, advice=DEAF_ADVICE)

    async def _listened(self, connection: Connection) -> bool:
        """Listens until this connection is deaf; whether it ever heard."""
        try:
            await self._listen(connection)
            return self.hears
        finally:
            self.hears = False
            sever(connection)
            with anyio.CancelScope(shield=True):
                await connection.close()

    async def _listen(self, connection: Connection) -> None:
        """Returns when a probe was lost."""
        try:
            with anyio.fail_after(ECHO_SECONDS):
                await connection.execute(f"LISTEN {CHANNEL}")
        except (TimeoutError, psycopg.Error) as error:
            raise DatabaseUnavailable(f"LISTEN failed: {error}") from None
        # Whatever was committed before LISTEN took effect rang no bell of ours.
        self._wake()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear, connection, tasks.cancel_scope)
            await self._prove()
            tasks.cancel_scope.cancel()

    async def _hear(self, connection: Connection, scope: anyio.CancelScope) -> None:
        """Reads the socket when there is something to read.

        Not ``connection.notifies()``, which looks up ten times a second (psycopg 3.3): two thirds of what an idle
        daemon cost. Nobody else uses this connection, so its lock is not needed.
        """
        try:
            while True:
                await anyio.wait_readable(connection.fileno())
                connection.pgconn.consume_input()
                while (notification := connection.pgconn.notifies()) is not None:
                    payload = notification.extra.decode("utf-8", "replace")
                    if payload == self._probe:
                        self._echo.set()
                    elif not payload:
                        self._wake()
        except (psycopg.Error, OSError, anyio.ClosedResourceError) as ended:
            # The next one says so if the database is away altogether.
            self._deaf_why = f"the connection ended ({type(ended).__name__})"
            scope.cancel()

    async def _prove(self) -> None:
        while True:
            self._echo = anyio.Event()
            await self._ordinary.execute("SELECT pg_notify(%s, %s)", [CHANNEL, self._probe])
            with anyio.move_on_after(ECHO_SECONDS):
                await self._echo.wait()
            if not self._echo.is_set():
                self._deaf_why = "a notification to ourselves did not come back"
                return
            if not self.hears:
                self.hears = True
                if self._said_deaf:
                    structlog.get_logger().info(Event.LISTENER_HEARS)
                self._said_deaf = False
            self._supervisor.progress(NAME)
            await anyio.sleep(PROBE_SECONDS)
