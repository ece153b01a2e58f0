"""Failure 18: a broken output pipe, and a stop that something stands in the way of.

The signals themselves: tests/acceptance and tests/crash.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread
import pytest
from psycopg.conninfo import make_conninfo

from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import ROOT, DaemonProcess, environment, until
from tests.failures.rest import all_synced
from tests.faults.proxy import FaultProxy
from tests.migration.migrated import DAEMON
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]


@contextmanager
def writing_to(output: int | IO[bytes], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon whose output and errors go there."""
    with subprocess.Popen(
        [sys.executable, "-m", "daemon", "run"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    ) as daemon:
        try:
            yield daemon
        finally:
            daemon.kill()


async def works_and_ends_well(daemon: subprocess.Popen[bytes], host: Host) -> None:
    host.add_customers(5)
    await all_synced(host)
    daemon.send_signal(signal.SIGTERM)
    await until(lambda: daemon.poll() is not None, what="its end")
    assert daemon.returncode == 0


async def test_a_reader_of_its_output_that_goes_away_changes_nothing(host: Host, zoho: RunningSimulator) -> None:
    # As `zoho-outbox run 2>&1 | head -1` does.
    with writing_to(subprocess.PIPE, environment(host.database, zoho)) as daemon:
        assert daemon.stdout is not None
        assert b"daemon.started" in await anyio.to_thread.run_sync(daemon.stdout.readline)
        daemon.stdout.close()
        await works_and_ends_well(daemon, host)


async def test_a_full_disk_under_its_output_changes_nothing(
    host: Host, zoho: RunningSimulator, full_disk: IO[bytes]
) -> None:
    with writing_to(full_disk, environment(host.database, zoho)) as daemon:
        await works_and_ends_well(daemon, host)


@pytest.fixture
def full_disk() -> Iterator[IO[bytes]]:
    """A file that nothing can be written to."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        yield full


async def test_a_request_that_is_never_answered_ends_with_its_own_time(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", times=None)
    customers = host.add_customers(30)
    daemon = start_daemon(environment(host.database, zoho, ZOHO_MAX_CONCURRENCY="4"))
    await until(lambda: held.fired == 4, what="four requests are held")
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0, daemon.output
    assert host.rows("SELECT FROM zoho_outbox_private.entity_state WHERE phase = 'leased'") == []
    assert host.rows("SELECT FROM public.zoho_outbox WHERE status = 'processing'") == []
    # Those that were in flight had their attempt. The others have it back, whether or not they stood in the queue.
    assert host.rows("SELECT attempts FROM zoho_outbox_private.entity_state WHERE attempts > 0") == [
        {"attempts": 1} for _ in range(4)
    ]
    assert host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE fate_unknown_at IS NOT NULL") == 4
    assert held.fired == 4
    zoho.faults.clear()
    for customer in customers:
        host.pass_time(customer, 3600)
    start_daemon(environment(host.database, zoho))
    await all_synced(host)
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
    assert zoho.statistics.count_of_creates("customers") == 30


@pytest.mark.slow
async def test_where_nothing_can_be_settled_the_stop_ends_all_the_same(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", times=None)
    async with FaultProxy(*server_of(host)) as path:
        address = make_conninfo(host.database.dsn(DAEMON), host=path.host, port=path.port)
        daemon = start_daemon(environment(host.database, zoho, DATABASE_URL=address))
        customers = host.add_customers(3)
        await until(lambda: held.fired == 3, what="three requests are held")
        path.freeze()
        zoho.faults.clear()
        daemon.signal(signal.SIGTERM)
        assert await daemon.ends(seconds=90) == 0, daemon.output
        assert host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase = 'leased'") == 3
    for customer in customers:
        host.pass_time(customer, 3600)
    start_daemon(environment(host.database, zoho))
    await all_synced(host)
    assert zoho.statistics.count_of_creates("customers") == 3


def server_of(host: Host) -> tuple[str, int]:
    info = host.connect()
    try:
        return info.info.host, info.info.port
    finally:
        info.close()
