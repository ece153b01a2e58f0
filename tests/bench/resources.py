"""What the daemon holds and uses when there is nothing to do, and what it holds with a million entries before it.

The idle daemon is as installed: the dashboard's port open, a service manager that listens, nothing changed in the
settings. It has sent a few hundred customers before, so that all its code is loaded.
"""

import asyncio
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.acceptance.running import environment
from tests.bench.daemon_process import cpu_seconds
from tests.bench.draining import bench_server
from tests.bench.report import Fact, Report, at_most
from tests.bench.stage import at_rest, conditions, say
from tests.bench.statements import count_from_here, counted
from tests.deploy.manager import Manager
from tests.host.databases import Databases, DatabaseTemplate
from tests.host.shapes import HostShape
from tests.limits.runs import Memory, process_of, resident_bytes, run_memory
from tests.limits.scene import AS_INSTALLED, started
from tests.migration.migrated import migrated_template
from tests.plans.population import Population, Statistics, Work
from tests.store.host import Host

IDLE_MEMORY_WANTED = 100.0
PENDING_MEMORY_WANTED = 120.0
"""Megabytes of a million bytes."""

CPU_WANTED = 0.5
"""Percent of one core."""

PROBE_SECONDS = 10.0
"""Nothing more often."""

WATCHDOG_SECONDS = 60.0
LATENCY_SECONDS = 0.2
LIVE_EVERY_SECONDS = 3.0

BRACKETS = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
"""Of transactions: they belong to a statement that is counted."""

HOW_TO_READ = (
    "Resident memory and CPU time of the daemon's process, from /proc; a megabyte is a million bytes. Idle: nothing is "
    "written by anybody, the polls have slowed down to OUTBOX_POLL_SECONDS (30). Statements are counted by "
    "pg_stat_statements for the daemon's role, BEGIN and COMMIT apart; one that is asked every 10 s makes 6 a minute. "
    "'With pending entries': a daemon without quota works on them while new customers arrive; the most that was seen."
)


_BARE_LISTENER = """
import asyncio, sys, time
import psycopg

async def main(dsn, seconds):
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("LISTEN bench")
        used = time.process_time()
        async for _ in connection.notifies(timeout=seconds):
            pass
        print(100 * (time.process_time() - used) / seconds)

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""
"""What the library alone costs that waits for a notification."""


@dataclass(frozen=True)
class Spans:
    """How long, and how much."""

    customers: int
    settle_seconds: float
    """Until the polls have slowed down."""
    idle_seconds: float
    pending: int
    pending_seconds: float


FULL = Spans(customers=300, settle_seconds=75.0, idle_seconds=120.0, pending=1_000_000, pending_seconds=60.0)
QUICK = Spans(customers=20, settle_seconds=2.0, idle_seconds=12.0, pending=5_000, pending_seconds=3.0)


@dataclass(frozen=True)
class Idle:
    """A daemon without work."""

    seconds: float
    cpu_seconds: float
    resident_bytes: int
    calls: Counter[str]
    """Statements by name."""
    bare_percent: float = 0.0
    """Of one core: what a bare listener of psycopg's costs, in a process of its own at the same time."""

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_seconds / self.seconds

    @property
    def too_often(self) -> list[str]:
        """Statements that were asked more often than every :data:`PROBE_SECONDS`, by name."""
        most = math.ceil(self.seconds / PROBE_SECONDS) + 1
        return [name for name, calls in self.calls.most_common() if calls > most and name not in BRACKETS]


def measure_resources(*, quick: bool = False) -> Report:
    """Idle first, then with much before it; on a server of its own."""
    spans = QUICK if quick else FULL
    with bench_server() as (server, databases):
        idle = asyncio.run(measure_idle(databases, spans))
        memory = asyncio.run(_pending(databases, spans))
        report = Report(
            "Memory, CPU and statements of a daemon",
            HOW_TO_READ,
            conditions(server, **{"idle s": round(idle.seconds), "pending entries": f"{memory.pending:,}"}),
        )
        report.facts = [
            _megabytes("resident memory, idle", idle.resident_bytes, IDLE_MEMORY_WANTED),
            _megabytes(f"resident memory, {memory.pending:,} pending", memory.most_bytes, PENDING_MEMORY_WANTED),
            at_most("CPU when idle, of a core", idle.cpu_percent, CPU_WANTED, form="{:.2f} %"),
            ("  of that, a bare psycopg listener in a process of its own", f"{idle.bare_percent:.2f} %"),
            Fact(
                "statements asked more often than every 10 s when idle",
                ", ".join(idle.too_often) or "none",
                "none",
                not idle.too_often,
            ),
            ("statements a minute when idle", _a_minute(idle, sum(idle.calls.values()) - _brackets(idle))),
            *((f"  {name}", _a_minute(idle, calls)) for name, calls in idle.calls.most_common()),
        ]
    return report


async def measure_idle(databases: Databases, spans: Spans) -> Idle:
    """A daemon as installed, after it has sent ``spans.customers``."""
    with databases.fresh(migrated_template(HostShape())) as database, Host(database) as host:
        async with _daemon_as_installed(host) as zoho:
            host.add_customers(spans.customers)
            await at_rest(host)
            say(
                f"idle: {spans.settle_seconds:.0f} s until the polls are slow, then {spans.idle_seconds:.0f} s measured"
            )
            await asyncio.sleep(spans.settle_seconds)
            bare = asyncio.create_task(_bare_listener(database.superuser_dsn, spans.idle_seconds))
            requests, process = zoho.statistics.requests, process_of(host)
            with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
                count_from_here(connection)
                began, cpu = time.monotonic(), cpu_seconds(process)
                await asyncio.sleep(spans.idle_seconds)
                seconds, used = time.monotonic() - began, cpu_seconds(process) - cpu
                calls: Counter[str] = Counter()
                for statement in counted(connection):
                    calls[statement.name] += statement.calls
            if zoho.statistics.requests != requests:
                raise RuntimeError("the daemon was not idle: it asked Zoho something")
            return Idle(seconds, used, resident_bytes(process), calls, await bare)


async def _bare_listener(dsn: str, seconds: float) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BARE_LISTENER, dsn, str(seconds), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return float(said)


@asynccontextmanager
async def _daemon_as_installed(host: Host) -> AsyncIterator[RunningSimulator]:
    with Manager() as manager, tempfile.TemporaryDirectory() as folder, started(Path(folder)) as start:
        async with running_simulator(SimulatorSettings(limits=LimitSettings.wide(), journal_length=0)) as zoho:
            changes = {
                **AS_INSTALLED,
                "OUTBOX_HTTP_LISTEN": "127.0.0.1:0",
                **manager.environment(watchdog_seconds=WATCHDOG_SECONDS),
            }
            daemon = start(environment(host.database, zoho, **changes))
            await daemon.says("organisation.verified")
            yield zoho


async def _pending(databases: Databases, spans: Spans) -> Memory:
    say(f"a database with {spans.pending:,} pending entries")
    template: DatabaseTemplate = Population(Work.BACKLOG, spans.pending, Statistics.FRESH).template
    with (
        databases.fresh(template) as database,
        Host(database) as host,
        tempfile.TemporaryDirectory() as folder,
        started(Path(folder)) as start,
    ):
        settings = SimulatorSettings(limits=LimitSettings.wide(), latency_seconds=LATENCY_SECONDS, journal_length=0)
        async with running_simulator(settings) as zoho:
            say(f"working on them for {spans.pending_seconds:.0f} s")
            return await run_memory(host, zoho, start, seconds=spans.pending_seconds, every=LIVE_EVERY_SECONDS)


def _megabytes(name: str, size: int, wanted: float) -> Fact:
    return at_most(name, size / 1e6, wanted, form="{:.0f} MB")


def _a_minute(idle: Idle, calls: int) -> str:
    return f"{calls / idle.seconds * 60:.1f}"


def _brackets(idle: Idle) -> int:
    return sum(idle.calls[name] for name in BRACKETS)
