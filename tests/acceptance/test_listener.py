"""LISTEN: heard, proved by a round trip, and mended when it goes deaf."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import anyio
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon import listener as listening
from daemon.listener import Listener
from daemon.supervision import Supervisor
from outbox.clock import SystemClock
from outbox.database import Database
from outbox.store.sessions import SessionStore
from tests.acceptance.running import until
from tests.faults.proxy import FaultProxy
from tests.migration.migrated import DAEMON
from tests.store.host import Host

pytestmark = pytest.mark.anyio


class Ears:
    """A listener at work, and what it was rung for."""

    def __init__(self, listener: Listener, sessions: SessionStore) -> None:
        self.listener = listener
        self.sessions = sessions
        self.rung = 0

    async def hear_again(self) -> None:
        """Waits until it is known to hear."""
        await until(lambda: self.listener.hears, what="it hears")

    async def hear_nothing(self) -> None:
        """Waits until it is known to be deaf."""
        await until(lambda: not self.listener.hears, what="it is deaf")


OpenEars = Callable[[str], AbstractAsyncContextManager[Ears]]


@pytest.fixture
def ears(host: Host, monkeypatch: pytest.MonkeyPatch) -> OpenEars:
    """A supervised listener whose own connection goes where it is told."""
    monkeypatch.setattr(listening, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(listening, "ECHO_SECONDS", 1.0)

    @asynccontextmanager
    async def open_ears(dsn: str) -> AsyncIterator[Ears]:
        ordinary = Database(SecretStr(host.database.dsn(DAEMON)), application_name="ordinary")
        own = Database(SecretStr(dsn), application_name="listener under test", connections=1)
        session = uuid4()
        supervisor = Supervisor(SystemClock())

        def ring() -> None:
            opened.rung += 1

        opened = Ears(Listener(own, ordinary, session, supervisor, ring), SessionStore(ordinary, session, "daemon"))
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(supervisor.keep, listening.NAME, opened.listener.run)
                await opened.hear_again()
                yield opened
                tasks.cancel_scope.cancel()
        finally:
            await ordinary.close()
            await own.close()

    return open_ears


async def test_a_commit_rings_where_the_bell_is_wanted(host: Host, ears: OpenEars) -> None:
    async with ears(host.database.dsn(DAEMON)) as opened:
        await opened.sessions.want_bell(True)
        before = opened.rung
        host.add_customer()
        await until(lambda: opened.rung > before, what="it is rung")


async def test_a_commit_does_not_ring_where_it_is_not_wanted(host: Host, ears: OpenEars) -> None:
    async with ears(host.database.dsn(DAEMON)) as opened:
        await opened.sessions.want_bell(False)
        before = opened.rung
        host.add_customer(1)
        await opened.sessions.want_bell(True)
        host.add_customer(2)
        # Notifications come in the order of their commits: had the first one rung, there would be two.
        await until(lambda: opened.rung > before, what="it is rung")
        assert opened.rung == before + 1


async def test_a_connection_that_is_ended_is_made_anew_and_what_was_missed_is_looked_for(
    host: Host, ears: OpenEars
) -> None:
    async with ears(host.database.dsn(DAEMON)) as opened:
        before = opened.rung
        with capture_logs() as logs:
            host.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener under test'"
            )
            await opened.hear_nothing()
            await opened.hear_again()
        assert opened.rung > before
        assert [line["event"] for line in logs] == ["listener.deaf", "listener.hears"]
        await opened.sessions.want_bell(True)
        again = opened.rung
        host.add_customer()
        await until(lambda: opened.rung > again, what="it is rung again")


async def test_a_frozen_path_is_noticed_and_mended(host: Host, ears: OpenEars) -> None:
    parts = conninfo_to_dict(host.database.dsn(DAEMON))
    async with FaultProxy(str(parts["host"]), int(str(parts["port"]))) as proxy:
        dsn = make_conninfo(host.database.dsn(DAEMON), host=proxy.host, port=proxy.port)
        async with ears(dsn) as opened:
            proxy.freeze()
            await opened.hear_nothing()
            proxy.drop_connections()
            proxy.forward()
            await opened.hear_again()
            await opened.sessions.want_bell(True)
            before = opened.rung
            await anyio.to_thread.run_sync(host.add_customer)
            await until(lambda: opened.rung > before, what="it is rung again")
