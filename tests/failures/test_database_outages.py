"""Failure 5: PostgreSQL restarted at once, gone, read-only after a failover; with 23, a failover that lost commits."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import anyio
import pytest
from psycopg.conninfo import make_conninfo

from daemon import supervision
from daemon.supervision import Supervisor
from outbox.clock import SystemClock
from outbox.database import DatabaseUnavailable
from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.clusters import ClusterCopy, written_up_to
from tests.failures.console import typed
from tests.failures.rest import all_synced
from tests.faults.proxy import FaultProxy
from tests.host.databases import Database
from tests.migration.migrated import DAEMON
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

LOST, BACK = "database.lost", "database.back"


def told(daemon: DaemonProcess) -> list[str]:
    """What it said of the database, in order."""
    return [line["event"] for line in daemon.events() if line["event"] in (LOST, BACK)]


async def test_each_outage_is_told_once_and_survived(
    own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    daemon = start_daemon(environment(own_host.database, zoho))
    await daemon.says("organisation.verified")
    customer = own_host.add_customer()
    await all_synced(own_host)
    for outage in range(1, 4):
        await anyio.to_thread.run_sync(own_postgres.shut_down, "immediate")
        await until(lambda: told(daemon) == [LOST, BACK] * (outage - 1) + [LOST], what="it is told")  # noqa: B023
        await anyio.to_thread.run_sync(own_postgres.start)
        await until(lambda: told(daemon) == [LOST, BACK] * outage, what="its end is told")  # noqa: B023
        with Host(own_host.database) as host:
            host.change_customer(customer, last_name=f"Outage{outage}")
            await until(
                lambda: next(iter(zoho.simulator.books.customers))["last_name"] == f"Outage{outage}",  # noqa: B023
                what="a change after it is sent",
            )
            await all_synced(host)
    assert daemon.alive
    assert daemon.events("loop.failing") == []
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_pauses_between_attempts_are_capped_however_long_the_outage_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    async def fail_twenty_times() -> None:
        if len(pauses) < 20:
            raise DatabaseUnavailable("away")

    monkeypatch.setattr(anyio, "sleep", note)
    await Supervisor(SystemClock()).keep("a loop", fail_twenty_times)
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert set(pauses[4:]) == {supervision.LONGEST_PAUSE_SECONDS}
    # With the longest wait for a connection that is refused, this is the 5 s of the list.
    assert supervision.LONGEST_PAUSE_SECONDS < 5


async def looks_first(host: Host, zoho: RunningSimulator, number: int) -> None:
    """A create that would go without a look elsewhere."""
    await anyio.to_thread.run_sync(host.add_customer, number)
    await all_synced(host)
    # By a list that was read since: it proves it for every row that is created now.
    assert zoho.statistics.by_route["GET /customers"] > 0


@contextmanager
def opened(server: ClusterCopy) -> Iterator[None]:
    """The copy, taken already, until the block ends."""
    try:
        yield
    finally:
        server.stop()


async def test_a_failover_that_lost_commits_is_waited_for_and_creates_nothing_twice(
    own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    primary = own_postgres
    async with (
        FaultProxy(primary.host, primary.port) as path,
        FaultProxy(primary.host, primary.port) as replication,
    ):
        address = make_conninfo(own_host.database.dsn(DAEMON), host=path.host, port=path.port)
        settings = environment(own_host.database, zoho, DATABASE_URL=address)
        standby = ClusterCopy(primary, stream_from=(replication.host, replication.port))
        with opened(standby):
            first = start_daemon(settings)
            known = own_host.add_customer(1)
            await all_synced(own_host)
            first.signal(signal.SIGTERM)
            assert await first.ends() == 0
            # What the standby has: five to be created, one to be updated. What it will not have: that this was done.
            created = own_host.add_customers(5, first=2)
            own_host.change_customer(known, last_name="Changed")
            await anyio.to_thread.run_sync(standby.start)
            position = written_up_to(primary)
            await until(lambda: standby.has_replayed(position), what="the standby has it all")
            replication.freeze()
            held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", body_contains=str(created[-1]))
            daemon = start_daemon(settings)
            done = "SELECT count(*) FROM public.customers WHERE zoho_sync_status = 'synced'"
            await until(lambda: own_host.value(done) == 5 and held.fired, what="all but the one in flight are done")
            assert zoho.statistics.count_of_creates("customers") == 6

            await anyio.to_thread.run_sync(primary.shut_down, "immediate")
            path.aim(standby.host, standby.port)
            path.drop_connections()
            held.release()
            await daemon.says(LOST)
            attempts, sent = path.accepted, zoho.statistics.requests
            await until(lambda: path.accepted > attempts + 5, what="it asks the read-only server again and again")
            assert daemon.alive
            assert told(daemon) == [LOST]
            assert zoho.statistics.requests == sent

            standby.promote()
            await daemon.says(BACK)
            with Host(Database(standby, own_host.database.name)) as host:
                await all_synced(host)
                assert zoho.statistics.count_of_creates("customers") == 6
                assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
                in_zoho = {row["customer_id"]: row["last_name"] for row in zoho.simulator.books.customers}
                in_host = host.rows("SELECT zoho_billing_customer_id AS id, last_name FROM public.customers")
                assert in_zoho == {row["id"]: row["last_name"] for row in in_host}
                # And from now on every create looks first, in this process and in the next.
                await looks_first(host, zoho, 7)
                daemon.signal(signal.SIGTERM)
                assert await daemon.ends() == 0
                following = start_daemon(settings)
                await following.says("daemon.started")
                assert "another timeline" in following.events("daemon.started")[0]["look_first"]
                await looks_first(host, zoho, 8)
                assert zoho.statistics.count_of_creates("customers") == 8
                assert "every create looks first" in (await typed(host.database, "status")).text
            assert told(daemon) == [LOST, BACK]
            assert daemon.events("loop.failing") == []
