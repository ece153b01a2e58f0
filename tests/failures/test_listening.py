"""Failure 7: the way to listen on is barred or breaks; the daemon polls, says so once, and hears again by itself."""

from collections.abc import Callable, Mapping
from uuid import uuid4

import anyio
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from daemon import listener as listening
from daemon.listener import Listener
from daemon.supervision import Supervisor
from outbox.clock import SystemClock
from outbox.database import Database
from outbox.simulator import RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.rest import all_synced
from tests.faults.proxy import FaultProxy
from tests.migration.migrated import DAEMON
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]


async def test_where_only_the_way_to_listen_is_barred_the_database_is_not_called_lost(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    with host.connect() as connection:
        server = connection.info.host, connection.info.port
    async with FaultProxy(*server) as path:
        path.drop()
        daemon = start_daemon(
            environment(
                host.database,
                zoho,
                DATABASE_LISTEN_URL=make_conninfo(host.database.dsn(DAEMON), host=path.host, port=path.port),
            )
        )
        await daemon.says("listener.deaf")
        assert "no connection to listen on" in daemon.events("listener.deaf")[0]["reason"]
        await anyio.to_thread.run_sync(host.add_customer)
        await all_synced(host)
        attempts = path.accepted
        await until(lambda: path.accepted > attempts + 1, what="it tries again and again")
        path.forward()
        await daemon.says("listener.hears")
        assert len(daemon.events("listener.deaf")) == len(daemon.events("listener.hears")) == 1
        assert daemon.events("database.lost") == []


async def test_a_connection_that_breaks_now_and_then_is_made_anew_as_soon_each_time(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PROBE_SECONDS", 0.1)
    pauses: list[float] = []
    sleep = anyio.sleep

    async def note(seconds: float) -> None:
        if seconds >= listening.FIRST_PAUSE_SECONDS:
            pauses.append(seconds)
        await sleep(min(seconds, 0.05))

    monkeypatch.setattr(anyio, "sleep", note)
    ordinary = Database(SecretStr(host.database.dsn(DAEMON)), application_name="ordinary")
    own = Database(SecretStr(host.database.dsn(DAEMON)), application_name="listener under test", connections=1)
    listener = Listener(own, ordinary, uuid4(), Supervisor(SystemClock()), lambda: None)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.run)
            for breaks in range(1, 6):
                await until(lambda: listener.hears, what="it hears")
                host.rows(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE application_name = 'listener under test'
                    """
                )
                await until(lambda: len(pauses) == breaks, what="the break is noticed")  # noqa: B023
            tasks.cancel_scope.cancel()
    finally:
        await ordinary.close()
        await own.close()
    assert pauses == [listening.FIRST_PAUSE_SECONDS] * 5
