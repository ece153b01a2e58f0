"""Failure 7: LISTEN dead, or swallowed by a pooler in transaction mode; and the pooler itself killed.

A real daemon and a real PgBouncer. That it hears is what its own round trip says (``listening`` in its session row);
that a bell which is heard wakes it, tests/acceptance/test_listener.py.
"""

import signal
import warnings
from collections.abc import Callable, Mapping

import anyio
import pytest
from pydantic import SecretStr

from outbox.database import Database, DatabaseUnavailable
from outbox.simulator import RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.console import typed
from tests.migration.migrated import DAEMON
from tests.pooler.pgbouncer import PgBouncer, PoolMode
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]
OpenPooler = Callable[[PoolMode], PgBouncer]


def listening(host: Host) -> bool:
    """What the daemon says of itself in its session row."""
    return bool(host.value("SELECT count(*) = 1 FROM zoho_outbox_private.session WHERE listening"))


async def is_sent(host: Host, number: int) -> None:
    """A new customer comes to rest as synced."""
    customer = await anyio.to_thread.run_sync(host.add_customer, number)
    await until(lambda: host.shown(customer) == ("synced", None), what=f"customer {number} is synced")


def loud(daemon: DaemonProcess) -> list[str]:
    """Its words of alarm, which no pooler should cause."""
    return [
        line["event"] for line in daemon.events() if line["event"] in ("loop.failing", "entry.crashed", "log.row_lost")
    ]


async def test_in_session_mode_it_listens_and_sends(
    host: Host, zoho: RunningSimulator, start_daemon: Start, open_pooler: OpenPooler
) -> None:
    pooler = open_pooler("session")
    daemon = start_daemon(environment(host.database, zoho, DATABASE_URL=pooler.dsn, OUTBOX_POLL_SECONDS="30"))
    await until(lambda: listening(host), what="it listens")
    for number in range(3):
        await is_sent(host, number)
    assert daemon.events("listener.deaf") == []
    assert loud(daemon) == []


async def test_in_transaction_mode_it_listens_over_a_direct_connection(
    host: Host, zoho: RunningSimulator, start_daemon: Start, open_pooler: OpenPooler
) -> None:
    pooler = open_pooler("transaction")
    daemon = start_daemon(
        environment(
            host.database,
            zoho,
            DATABASE_URL=pooler.dsn,
            DATABASE_LISTEN_URL=host.database.dsn(DAEMON),
            OUTBOX_POLL_SECONDS="30",
        )
    )
    await until(lambda: listening(host), what="it listens")
    for number in range(3):
        await is_sent(host, number)
    assert daemon.events("listener.deaf") == []
    assert loud(daemon) == []


async def test_in_transaction_mode_alone_it_polls_says_so_and_hears_again_once_it_can(
    host: Host, zoho: RunningSimulator, start_daemon: Start, open_pooler: OpenPooler
) -> None:
    pooler = open_pooler("transaction")
    daemon = start_daemon(environment(host.database, zoho, DATABASE_URL=pooler.dsn))
    await is_sent(host, 1)
    await daemon.says("listener.deaf")
    assert "DATABASE_LISTEN_URL" in daemon.events("listener.deaf")[0]["advice"]
    assert not listening(host)
    assert ": polling" in (await typed(host.database, "status")).text
    for number in range(2, 12):
        host.add_customer(number)
    await is_sent(host, 12)
    await until(lambda: host.value("SELECT bool_and(zoho_sync_status = 'synced') FROM public.customers"))
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
    assert zoho.statistics.count_of_creates("customers") == 12
    assert loud(daemon) == []
    # As an administrator mends it: the same address, another mode.
    pooler.kill()
    pooler.start("session")
    await daemon.says("listener.hears", seconds=90)
    await until(lambda: listening(host), what="it says that it listens")
    await is_sent(host, 13)
    assert len(daemon.events("listener.deaf")) == len(daemon.events("listener.hears")) == 1
    assert ": listening" in (await typed(host.database, "status")).text
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0


async def test_notifications_that_a_pooler_brings_to_the_wrong_connection_are_not_kept(
    host: Host, open_pooler: OpenPooler
) -> None:
    database = Database(SecretStr(open_pooler("transaction").dsn), application_name="under test", connections=1)
    try:
        # What the listener leaves behind, on a server connection that serves everybody from now on.
        await database.execute("LISTEN zoho_outbox")
        for _ in range(10):
            await database.execute("SELECT pg_notify('zoho_outbox', '')")
        async with database.connection() as connection:
            with warnings.catch_warnings():
                # notifies() hands out what was kept; beside the handler that keeps nothing it warns.
                warnings.simplefilter("ignore", RuntimeWarning)
                assert [notification async for notification in connection.notifies(timeout=0)] == []
    finally:
        await database.close()


@pytest.mark.parametrize("mode", [pytest.param("session", marks=pytest.mark.slow), "transaction"])
async def test_a_pooler_that_is_killed_in_mid_work_is_survived(
    host: Host, zoho: RunningSimulator, start_daemon: Start, open_pooler: OpenPooler, mode: PoolMode
) -> None:
    zoho.settings.latency_seconds = 0.05
    pooler = open_pooler(mode)
    host.add_customers(60)
    daemon = start_daemon(
        environment(host.database, zoho, DATABASE_URL=pooler.dsn, DATABASE_LISTEN_URL=host.database.dsn(DAEMON))
    )
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 10)
    pooler.kill()
    await daemon.says("database.lost")
    assert daemon.alive
    pooler.start()
    await daemon.says("database.back")
    await until(
        lambda: host.value("SELECT bool_and(zoho_sync_status = 'synced') FROM public.customers"), what="all are synced"
    )
    assert zoho.statistics.count_of_creates("customers") == 60
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
    assert [len(daemon.events(name)) for name in ("database.lost", "database.back")] == [1, 1]
    assert loud(daemon) == []
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0


PREPARED = "SELECT count(*) AS statements FROM pg_prepared_statements"


async def test_statements_are_prepared_on_a_direct_connection_and_behind_no_pooler(
    host: Host, open_pooler: OpenPooler
) -> None:
    async def prepared(dsn: str) -> int:
        database = Database(SecretStr(dsn), application_name="under test", connections=1)
        try:
            for _ in range(3):
                await database.row("SELECT 1 AS one", prepare=True)
            row = await database.row(PREPARED)
            return 0 if row is None else int(row["statements"])
        finally:
            await database.close()

    assert await prepared(host.database.dsn(DAEMON)) == 1
    assert await prepared(open_pooler("transaction").dsn) == 0
    assert await prepared(open_pooler("session").dsn) == 0


async def test_where_a_prepared_statement_is_lost_all_the_same_none_is_prepared_again(host: Host) -> None:
    database = Database(SecretStr(host.database.dsn(DAEMON)), application_name="under test", connections=1)
    try:
        await database.row("SELECT 1 AS one", prepare=True)
        # As behind a pooler that nobody noticed: the next statement meets a session that does not know it.
        await database.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        with pytest.raises(DatabaseUnavailable, match="prepared"):
            await database.row("SELECT 1 AS one", prepare=True)
        assert await database.row("SELECT 1 AS one", prepare=True) == {"one": 1}
        assert await database.row(PREPARED) == {"statements": 0}
    finally:
        await database.close()


async def test_it_goes_on_where_the_host_alters_a_column_that_a_prepared_statement_returns(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    daemon = start_daemon(environment(host.database, zoho))
    for number in range(3):
        await is_sent(host, number)
    # As a migration of the host's does it: PostgreSQL refuses where a trigger names the column.
    host.interfere(
        "BEGIN;"
        " DROP TRIGGER zoho_outbox_updated ON public.customers;"
        " ALTER TABLE public.customers ALTER COLUMN phone TYPE varchar(77);"
        " COMMIT"
    )
    for number in range(3, 6):
        await is_sent(host, number)
    assert loud(daemon) == []
