"""Failure 6: a frozen (half-open) path to PostgreSQL while requests are under way, or their replies in hand."""

from collections.abc import AsyncIterator, Callable, Mapping

import anyio
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from outbox.database import Database, DatabaseUnavailable
from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.rest import all_synced
from tests.faults.proxy import FaultProxy
from tests.migration.migrated import DAEMON
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

LONG_LEASE = {"OUTBOX_LEASE_SECONDS": "60"}
"""Outlives the thaw: what is in hand is settled by whoever has it."""


@pytest.fixture
async def path(host: Host) -> AsyncIterator[FaultProxy]:
    """A way to the test's server that can freeze."""
    connection = host.connect()
    server = connection.info.host, connection.info.port
    connection.close()
    async with FaultProxy(*server) as proxy:
        yield proxy


def through(path: FaultProxy, host: Host) -> str:
    return make_conninfo(host.database.dsn(DAEMON), host=path.host, port=path.port)


async def test_a_call_on_a_frozen_path_ends_at_its_deadline_and_the_next_one_is_served(
    host: Host, path: FaultProxy
) -> None:
    database = Database(SecretStr(through(path, host)), application_name="under test", connections=1)
    try:
        assert await database.row("SELECT 1 AS one") == {"one": 1}
        path.freeze()
        # On a connection that was good.
        with anyio.fail_after(60), pytest.raises(DatabaseUnavailable, match="no answer within"):
            await database.row("SELECT 1 AS one", seconds=0.2)
        # And on one that cannot even be made.
        with anyio.fail_after(60), pytest.raises(DatabaseUnavailable, match="timeout"):
            await database.row("SELECT 1 AS one", seconds=0.2)
        path.forward()
        assert await database.row("SELECT 1 AS one") == {"one": 1}
    finally:
        await database.close()


async def test_a_transaction_that_freezes_before_its_commit_ends_at_its_deadline(host: Host, path: FaultProxy) -> None:
    database = Database(SecretStr(through(path, host)), application_name="under test", connections=1)

    async def freeze_within() -> None:
        async with database.transaction(seconds=0.5) as connection:
            await connection.execute("SELECT 1")
            path.freeze()

    try:
        with anyio.fail_after(60), pytest.raises(DatabaseUnavailable):
            await freeze_within()
        path.forward()
        assert await database.row("SELECT 1 AS one") == {"one": 1}
    finally:
        await database.close()


async def test_replies_that_come_while_the_path_is_frozen_are_kept_and_settled_after(
    host: Host, path: FaultProxy, zoho: RunningSimulator, start_daemon: Start
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", times=None)
    daemon = start_daemon(
        environment(
            host.database,
            zoho,
            DATABASE_URL=through(path, host),
            DATABASE_LISTEN_URL=host.database.dsn(DAEMON),
            ZOHO_REQUEST_TIMEOUT_SECONDS="30",
            OUTBOX_AMBIGUOUS_RECHECK_SECONDS="30",
            **LONG_LEASE,
        )
    )
    customers = host.add_customers(3)
    await until(lambda: held.fired == 3, what="three requests are held")
    path.freeze()
    zoho.faults.clear()
    await daemon.says("database.lost")
    assert [host.state(customer)["phase"] for customer in customers] == ["leased"] * 3
    path.forward()
    await daemon.says("database.back")
    await all_synced(host)
    assert zoho.statistics.requests == zoho.statistics.by_route["POST /customers"] + 1  # and the organisation
    assert zoho.statistics.count_of_creates("customers") == 3
    for customer in customers:
        assert [row["status"] for row in host.logs(customer)] == ["success"]
        assert host.statuses(customer) == [("done", "sent")]
    assert len(daemon.events("database.lost")) == len(daemon.events("database.back")) == 1
    assert daemon.events("loop.failing") == []


@pytest.mark.slow
async def test_an_intent_that_freezes_on_its_way_lets_no_create_leave(
    host: Host, path: FaultProxy, zoho: RunningSimulator, start_daemon: Start
) -> None:
    daemon = start_daemon(
        environment(
            host.database,
            zoho,
            DATABASE_URL=through(path, host),
            DATABASE_LISTEN_URL=host.database.dsn(DAEMON),
        )
    )
    await daemon.says("organisation.verified")
    with host.transaction("postgres") as blocker:
        # Permission is asked for after the claim and before the intent: here it waits, and here the path freezes.
        blocker.execute("SELECT FROM zoho_outbox_private.request_budget FOR UPDATE")
        customer = host.add_customer()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock' AND datname = %s"
        )
        await until(lambda: host.value(waiting, [DAEMON, host.database.name]), what="it waits for permission")
        path.freeze()
    await daemon.says("database.lost")
    assert zoho.statistics.by_route["POST /customers"] == 0
    path.forward()
    await all_synced(host)
    assert zoho.statistics.count_of_creates("customers") == 1
    assert host.statuses(customer)[-1] == ("done", "sent")


async def test_what_a_frozen_daemon_has_in_hand_is_looked_for_by_another_and_made_once(
    host: Host, path: FaultProxy, zoho: RunningSimulator, start_daemon: Start
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", times=None)
    frozen = start_daemon(environment(host.database, zoho, DATABASE_URL=through(path, host)))
    customers = host.add_customers(3)
    await until(lambda: held.fired == 3, what="three requests are held")
    path.freeze()
    zoho.faults.clear()
    for customer in customers:
        host.pass_time(customer, 3600)
    start_daemon(environment(host.database, zoho))
    await all_synced(host)
    await frozen.says("database.lost")
    path.forward()
    # Its results come late: they are refused, and what Zoho holds is verified once more.
    await frozen.says("acknowledgement.refused")
    await until(lambda: "resend" in [row["change"] for row in host.entries(customers[0])], what="it is sent again")
    await all_synced(host)
    assert zoho.statistics.count_of_creates("customers") == 3
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
