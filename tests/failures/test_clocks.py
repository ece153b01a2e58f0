"""The wall clock jumps an hour, forward and back (failures.md, 21): of the database, or of the daemons.

With libfaketime, which Debian has under that name; without it these tests are skipped, and CI has it.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from outbox.database import Database
from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.faults import Fault
from outbox.store.budget import SharedBudget
from outbox.vocabulary import Urgency
from outbox.zoho.ports import SendingStopped
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.rest import all_synced
from tests.host.databases import Databases
from tests.host.server import TEST_SETTINGS
from tests.host.shapes import HostShape, prepare_server
from tests.migration.migrated import migrated_template
from tests.store.conftest import new_settings
from tests.store.host import Host

HOUR = 3600

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not _LIBRARIES, reason="libfaketime is not installed"),
]


class WallClock:
    """What processes started with its environment take for the time of day. Their monotonic clock is left alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self.stands(0)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def stands(self, seconds: int) -> None:
        """So far ahead of the machine's."""
        self._file.write_text(f"{seconds:+d}\n", encoding="ascii")
        self._file.chmod(0o644)


class ServerOnAClock(PostgresServer):
    """A PostgreSQL whose wall clock can be moved."""

    def __init__(self, clock: WallClock) -> None:
        super().__init__(settings=TEST_SETTINGS)
        self._clock = clock

    def _spawn(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        variables = [f"{name}={value}" for name, value in self._clock.environment.items()]
        return super()._spawn(["env", *variables, *command], output)


@pytest.fixture
def clock() -> Iterator[WallClock]:
    # The server may run as another user, who cannot look into pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="zoho-outbox-clock-"))
    folder.chmod(0o755)
    yield WallClock(folder)
    shutil.rmtree(folder)


@pytest.fixture
def server(clock: WallClock) -> Iterator[PostgresServer]:
    with ServerOnAClock(clock) as server:
        prepare_server(server)
        yield server


@pytest.mark.parametrize("whose", ["database", "daemons"])
async def test_an_hour_forward_and_back_stops_nobody_and_makes_nothing_twice(
    request: pytest.FixtureRequest,
    clock: WallClock,
    zoho: RunningSimulator,
    start_daemon: Callable[..., DaemonProcess],
    whose: str,
) -> None:
    server = request.getfixturevalue("server" if whose == "database" else "own_postgres")
    with Host(Databases(server, "clock").create(migrated_template(HostShape()))) as host:
        environ = environment(host.database, zoho, ZOHO_REQUESTS_PER_MINUTE="900", ZOHO_DAILY_REQUEST_LIMIT="5000")
        if whose == "daemons":
            environ |= clock.environment
        daemons = [start_daemon(environ) for _ in range(2)]
        for daemon in daemons:
            await daemon.says("organisation.verified")
        rows = host.add_customers(20)
        await all_synced(host)
        for phone, ahead in (("+27 21 555 0111", HOUR), ("+27 21 555 0112", 0)):
            # In mid-work: leases are held, permits are out, one process dies.
            held = zoho.faults.plant(FaultKind.HELD_BEFORE, "PUT", "/customers/*")
            created = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers")
            host.change_customer(rows[0], phone="+27 21 555 0110")
            late = host.add_customer(100 + ahead)
            await both_on_their_way(held, created)
            clock.stands(ahead)
            if whose == "database":
                assert abs(_ahead(host) - ahead) < 60
            daemons.pop(0).signal(signal.SIGKILL)
            held.release()
            created.release()
            daemons.append(start_daemon(environ))
            for row in rows:
                host.change_customer(row, phone=phone)
            await all_synced(host, seconds=100)
            assert {record["phone"] for record in zoho.simulator.books.customers} >= {phone}
            assert host.shown(late) == ("synced", None)
            zoho.faults.clear()
        phones = [record["phone"] for record in zoho.simulator.books.customers]
        assert phones.count("+27 21 555 0112") == len(rows)
        assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
        assert zoho.statistics.count_of_creates("customers") == len(rows) + 2


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        # The last Sunday of March and of October in Berlin: a day of 23 hours, and one of 25.
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), datetime(2026, 10, 25, 23, 0, tzinfo=UTC)),
    ],
    ids=["23 hours", "25 hours"],
)
async def test_the_day_ends_at_midnight_on_the_days_of_23_and_25_hours_too(
    clock: WallClock, server: PostgresServer, moment: datetime, ends: datetime
) -> None:
    with Host(Databases(server, "clock").create(migrated_template(HostShape()))) as host:
        settings = new_settings(
            host.database, ZOHO_DAILY_REQUEST_LIMIT="1", ZOHO_REQUESTS_PER_MINUTE="0", ZOHO_TIME_ZONE="Europe/Berlin"
        )
        database = Database(settings.database_url, application_name="zoho-outbox test", connections=2)
        try:
            clock.stands(round(moment.timestamp() - time.time()))
            budget = SharedBudget(database, settings, uuid4())
            async with budget.permit(Urgency.LIVE) as permit:
                permit.requests = 1
            with pytest.raises(SendingStopped, match="quota is used up") as stopped:
                async with budget.permit(Urgency.LIVE):
                    pass
            assert stopped.value.until == ends
        finally:
            await database.close()


async def both_on_their_way(*faults: Fault) -> None:
    await until(lambda: all(fault.fired == 1 for fault in faults), what="both are on their way")


def _ahead(host: Host) -> float:
    with psycopg.connect(host.database.superuser_dsn) as connection:
        row = connection.execute("SELECT EXTRACT(EPOCH FROM clock_timestamp())").fetchone()
    assert row is not None
    return float(row[0]) - time.time()
