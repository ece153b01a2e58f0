"""How fast a backlog goes against the simulator as a process of its own: three hungry processes on one machine.

It says less of the daemon than :mod:`tests.bench.drain`, whose Zoho costs nothing; but it was there first, so before
and after are told by it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from outbox.demo.postgres_server import PostgresServer
from tests.bench.daemon_process import bench_daemon, cpu_seconds
from tests.bench.draining import CONCURRENCY, LONGEST_SECONDS, bench_server, capture_backlog
from tests.bench.report import Report
from tests.bench.stage import conditions
from tests.bench.statements import count_from_here, counted
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

ENTITIES, QUICK_ENTITIES = 3_000, 200
LOOK_SECONDS = 0.25

HOW_TO_READ = (
    "Entities per second between the first and the last that was finished. The simulator has no limits and no delay, "
    "but it parses, checks and files every request, so with two cores the rate is that of the machine, not of "
    "the daemon alone; CPU milliseconds and statements tell them apart."
)

_SIMULATE = """
from outbox.simulator import LimitSettings, SimulatorSettings
from outbox.simulator.command import run
settings = SimulatorSettings(limits=LimitSettings.wide(), journal_length=0)
raise SystemExit(run(0, settings, lambda text: print(text, flush=True)))
"""

_SPAN = """
SELECT
    extract(epoch FROM max(entry.finished_at) - min(entry.finished_at))::float8,
    count(*) FILTER (WHERE entry.outcome = 'sent')
FROM public.zoho_outbox AS entry
"""

_LEFT = "SELECT count(*) FROM public.zoho_outbox AS entry WHERE entry.finished_at IS NULL"


def measure_simulator_drain(*, quick: bool = False, entities: int | None = None) -> Report:
    """One drain, on a server of its own."""
    count = entities or (QUICK_ENTITIES if quick else ENTITIES)
    with bench_server() as (server, databases):
        report = Report(
            "Drain against the simulator as a process of its own",
            HOW_TO_READ,
            conditions(server, entities=count, concurrency=CONCURRENCY),
        )
        report.facts += _drained(server, databases, count)
    return report


def _drained(server: PostgresServer, databases: Databases, entities: int) -> list[tuple[str, str]]:
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
        _simulator() as (simulator, zoho),
    ):
        capture_backlog(connection, entities)
        count_from_here(connection)
        settings = {"ZOHO_MAX_CONCURRENCY": str(CONCURRENCY), **zoho}
        with bench_daemon(database, Path(folder), api_url=zoho["ZOHO_ACCOUNTS_BASE_URL"], settings=settings) as daemon:
            deadline = time.monotonic() + LONGEST_SECONDS
            while connection.execute(_LEFT).fetchone() != (0,):
                daemon.check()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not all of {entities} entries were finished after {LONGEST_SECONDS:g} s")
                time.sleep(LOOK_SECONDS)
            cpu = cpu_seconds(daemon.pid), cpu_seconds(simulator.pid)
        seconds, sent = connection.execute(_SPAN).fetchone() or (0.0, 0)
        if sent != entities:
            raise RuntimeError(f"{sent} of {entities} were sent: the figures would mean nothing")
        calls = sum(statement.calls for statement in counted(connection))
    return [
        ("entities per second", f"{sent / seconds:,.0f}"),
        ("CPU ms per entity: daemon, its start included", f"{cpu[0] * 1000 / sent:.2f}"),
        ("CPU ms per entity: simulator", f"{cpu[1] * 1000 / sent:.2f}"),
        ("statements per entity", f"{calls / sent:.2f}"),
    ]


@contextmanager
def _simulator() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and the settings with which it is found."""
    process = subprocess.Popen([sys.executable, "-c", _SIMULATE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        said = [process.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(6)]
        yield process, {name: value.strip("'") for name, _, value in said}
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
