"""Failure 23: a backup that was started, a dump that was restored elsewhere, a clone; each with entries in flight.

decisions.md, Rows and rights: another identity refuses to send until it is accepted, another timeline looks first.
"""

import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal
from uuid import UUID

import anyio
import psycopg
import pytest
from psycopg import sql

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.clusters import ClusterCopy, restore_dump
from tests.failures.console import typed
from tests.failures.rest import all_synced
from tests.host.databases import Database
from tests.host.server import embedded_server
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]
Copied = Literal["restored from a dump", "cloned by TEMPLATE"]

PATIENT = {
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "20",
    "OUTBOX_LEASE_SECONDS": "60",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "20",
}
"""Waits for a request that is held, rather than giving it up."""


@asynccontextmanager
async def in_flight(host: Host, zoho: RunningSimulator, start_daemon: Start) -> AsyncIterator[list[UUID]]:
    """Four customers, while the block lasts: one is synced, one created and not acknowledged, one on its way into Zoho,
    one not tried. Afterwards the daemon is dead, the third has arrived in Zoho, and the last has never been sent.
    """
    daemon = start_daemon(environment(host.database, zoho, ZOHO_MAX_CONCURRENCY="2", **PATIENT))
    synced = host.add_customer(1)
    await until(lambda: host.shown(synced)[0] == "synced", what="the first is synced")
    unacknowledged, on_its_way = host.add_customer(2), host.add_customer(3)
    after = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", body_contains=str(unacknowledged))
    before = zoho.faults.plant(FaultKind.HELD_BEFORE, "POST", "/customers", body_contains=str(on_its_way))
    await until(lambda: after.fired and before.fired, what="two requests are held")
    untried = host.add_customer(4)
    yield [synced, unacknowledged, on_its_way, untried]
    daemon.signal(signal.SIGKILL)
    await daemon.ends()
    zoho.faults.clear()
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") == 3)


def pass_time(copy: Host, customers: list[UUID]) -> None:
    """Leases of a daemon that is dead, and pauses before a look, are over: they are not what is tested."""
    for customer in customers:
        copy.pass_time(customer, 3600)


async def settled_without_a_second_create(copy: Host, zoho: RunningSimulator) -> None:
    """Everything that the copy holds comes to rest, as one record each."""
    await all_synced(copy)
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
    in_zoho = {row["customer_id"] for row in zoho.simulator.books.customers}
    in_copy = {row["id"] for row in copy.rows("SELECT zoho_billing_customer_id AS id FROM public.customers")}
    assert in_copy == in_zoho


async def new_ones_are_looked_for(copy: Host, zoho: RunningSimulator) -> None:
    """A create that would go without a look elsewhere."""
    new = await anyio.to_thread.run_sync(copy.add_customer, 9)
    await until(lambda: copy.shown(new)[0] == "synced", what="a new customer is synced")
    # By a list that was read since: it proves it for every row that is created now.
    assert zoho.statistics.by_route["GET /customers"] > 0


async def test_a_backup_that_is_started_looks_first(
    own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    copy = ClusterCopy(own_postgres)
    try:
        async with in_flight(own_host, zoho, start_daemon) as customers:
            await anyio.to_thread.run_sync(copy.start)
        await anyio.to_thread.run_sync(own_postgres.shut_down, "immediate")
        copy.promote()
        with Host(Database(copy, own_host.database.name)) as host:
            assert host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase = 'leased'") >= 2
            pass_time(host, customers)
            daemon = start_daemon(environment(host.database, zoho))
            await daemon.says("daemon.started")
            assert "another timeline" in daemon.events("daemon.started")[0]["look_first"]
            await settled_without_a_second_create(host, zoho)
            assert zoho.statistics.count_of_creates("customers") == 4
            await new_ones_are_looked_for(host, zoho)
            said = await typed(host.database, "doctor", "--accept-database")
            assert said.text.startswith("nothing to accept")
    finally:
        copy.stop()


@pytest.mark.parametrize("copied", ["restored from a dump", "cloned by TEMPLATE"])
async def test_a_copy_sends_nothing_until_it_is_accepted_and_looks_first_then(
    own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start, copied: Copied
) -> None:
    original = own_host.database
    with embedded_server() as elsewhere:
        async with in_flight(own_host, zoho, start_daemon) as customers:
            match copied:
                case "restored from a dump":
                    await anyio.to_thread.run_sync(restore_dump, own_postgres, original.name, elsewhere)
                    copy = Database(elsewhere, original.name)
                case "cloned by TEMPLATE":
                    copy = await anyio.to_thread.run_sync(cloned, original)
        requests = zoho.statistics.requests
        with Host(copy) as host:
            refused = start_daemon(environment(copy, zoho))
            assert await refused.ends() == 2
            assert "doctor --accept-database" in refused.events("daemon.refused")[0]["reason"]
            assert zoho.statistics.requests == requests
            assert host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase = 'leased'") >= 2

            said = await typed(copy, "doctor", "--accept-database")
            assert (said.code, said.text.partition(":")[0]) == (0, "accepted")
            pass_time(host, customers)
            daemon = start_daemon(environment(copy, zoho))
            await daemon.says("daemon.started")
            assert "accepted" in daemon.events("daemon.started")[0]["look_first"]
            await settled_without_a_second_create(host, zoho)
            assert zoho.statistics.count_of_creates("customers") == 4
            await new_ones_are_looked_for(host, zoho)


def cloned(original: Database) -> Database:
    """A clone as people make one: whoever is connected to the original is sent away."""
    clone = Database(original.server, f"{original.name}_clone")
    with psycopg.connect(original.server.dsn(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(original.name))
        )
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [original.name])
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(clone.name), sql.Identifier(original.name))
        )
        connection.execute(
            sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(sql.Identifier(original.name))
        )
    return clone
