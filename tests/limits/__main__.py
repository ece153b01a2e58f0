"""``python -m tests.limits``: the measured run. Prints figures; no test asserts a timing.

steady   three replicas and the ``backfill`` command against the simulator's strict limits (100 a minute, 5 in flight,
         10 tokens in 10 minutes): 429s, how much of the minute's budget was used, live changes meanwhile
wide     the same without a limit of the minute: commit to Zoho during a backfill that only latency slows
memory   resident memory of a daemon with a million pending entities, and live changes meanwhile
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.acceptance.running import ROOT, environment
from tests.host.databases import Databases, DatabaseTemplate
from tests.host.shapes import HostShape, prepare_server
from tests.limits.scene import (
    AS_INSTALLED,
    Application,
    Start,
    backfill_runs,
    backlog,
    drop_leases,
    lines_of,
    replicas,
    rows_from_before,
    started,
)
from tests.migration.migrated import migrated_template
from tests.plans.population import Population, Statistics, Work
from tests.store.host import Host

SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "synchronous_commit": "on"}
WARM_UP_SECONDS = 30.0
STOPS = ("organisation.throttled", "organisation.broken", "organisation.forbidden", "budget.spent", "token.throttled")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
    parser.add_argument("what", choices=("steady", "wide", "memory"), nargs="+")
    parser.add_argument(
        "--rate", type=int, default=95, help="ZOHO_REQUESTS_PER_MINUTE (95, and the burst, are Zoho's 100)"
    )
    parser.add_argument("--seconds", type=float, default=300, help="measured, after a warm-up of 30 s (300)")
    parser.add_argument("--rows", type=int, default=10_000, help="of the backfill (10,000)")
    parser.add_argument("--latency", type=float, default=0.2, help="of the API in seconds (0.2)")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between live changes (3)")
    parser.add_argument("--pending", type=int, default=1_000_000, help="entities of the memory run (1,000,000)")
    arguments = parser.parse_args()
    console = Console(soft_wrap=True)
    for what in arguments.what:
        figures = asyncio.run(_measured(what, arguments))
        console.print(f"[bold]{what}[/bold]")
        for name, value in figures.items():
            console.print(f"  {name:<44} {value}")


async def _measured(what: str, arguments: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zoho-outbox-limits-")))
        server = stack.enter_context(PostgresServer(settings=SETTINGS))
        prepare_server(server)
        template: DatabaseTemplate = migrated_template(HostShape(supabase=False))
        if what == "memory":
            template = Population(Work.BACKLOG, arguments.pending, Statistics.FRESH).template
        host = stack.enter_context(Host(Databases(server, "limits").create(template)))
        start = stack.enter_context(started(folder))
        limits = LimitSettings(requests_per_day=None)
        if what != "steady":
            limits = LimitSettings.wide()
        settings = SimulatorSettings(limits=limits, latency_seconds=arguments.latency, journal_length=0)
        async with running_simulator(settings) as zoho:
            if what == "memory":
                return await _memory(host, zoho, start, arguments)
            return await _backfill(host, zoho, start, arguments, folder, rate=arguments.rate if what == "steady" else 0)


async def _backfill(
    host: Host, zoho: RunningSimulator, start: Start, arguments: argparse.Namespace, folder: Path, *, rate: int
) -> dict[str, Any]:
    rows_from_before(host, arguments.rows)
    changes = {"ZOHO_REQUESTS_PER_MINUTE": str(rate), "ZOHO_DAILY_REQUEST_LIMIT": "0"}
    daemons = await replicas(host, zoho, start, changes)
    output = (folder / "backfill.log").open("wb")
    with output, _backfill_command(environment(host.database, zoho, **AS_INSTALLED, **changes), output) as command:
        try:
            await backfill_runs(zoho)
            await asyncio.sleep(WARM_UP_SECONDS if rate else 5)
            before, began = zoho.statistics.requests, time.monotonic()
            application = Application(host, zoho)
            await application.commit(arguments.every, arguments.seconds)
            seconds, requests = time.monotonic() - began, zoho.statistics.requests - before
        finally:
            command.terminate()
    left = backlog(host)
    figures: dict[str, Any] = {
        "replicas, backfill rows, latency": f"{len(daemons)}, {arguments.rows:,}, {arguments.latency * 1000:.0f} ms",
        "measured": f"{seconds:.0f} s, {requests} requests, {requests / seconds * 60:.1f} a minute",
        "429": sum(zoho.statistics.refused.values()),
        "most in a rolling minute, most in flight": (
            f"{zoho.statistics.most_in_a_minute}, {zoho.statistics.most_in_flight}"
        ),
        "tokens": zoho.simulator.tokens.minted,
        "created twice": len(zoho.statistics.created_more_than_once("customers", "External ID")),
        "backlog left at the end": f"{left:,}",
        "lines about stops": dict(lines_of(daemons, *STOPS)) or "none",
        **_latencies(application.seconds),
    }
    if rate:
        figures["of the minute's budget used"] = f"{requests / (rate * seconds / 60):.1%} of {rate}"
    return figures


def _backfill_command(environ: dict[str, str], output: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", "backfill"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def _latencies(seconds: list[float]) -> dict[str, str]:
    if len(seconds) < 2:
        return {"live changes": f"{len(seconds)}"}
    ordered = sorted(seconds)
    p95 = statistics.quantiles(ordered, n=20, method="inclusive")[-1]
    return {
        "live changes, commit to Zoho": (
            f"{len(ordered)}: median {statistics.median(ordered):.2f} s, p95 {p95:.2f} s, worst {ordered[-1]:.2f} s"
        )
    }


async def _memory(host: Host, zoho: RunningSimulator, start: Start, arguments: argparse.Namespace) -> dict[str, Any]:
    drop_leases(host)
    pending = host.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL")
    changes = {"ZOHO_REQUESTS_PER_MINUTE": "0", "ZOHO_DAILY_REQUEST_LIMIT": "0"}
    await replicas(host, zoho, start, changes, count=1)
    process = int(host.value("SELECT pid FROM zoho_outbox_private.session WHERE kind = 'daemon'"))
    most: list[int] = []
    application = Application(host, zoho)

    async def watch() -> None:
        while True:
            most.append(_resident(process))
            await asyncio.sleep(0.5)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await application.commit(arguments.every, arguments.seconds)
        tasks.cancel_scope.cancel()
    claims = host.rows(
        "SELECT count(*) AS ready FROM zoho_outbox_private.entity_state WHERE phase IN ('ready', 'scheduled')"
    )
    return {
        "pending entries at the start": f"{pending:,}",
        "measured": f"{arguments.seconds:.0f} s, {zoho.statistics.requests} requests",
        "resident memory, most": f"{max(most) / 1e6:.0f} MB",
        "resident memory, at the end": f"{most[-1] / 1e6:.0f} MB",
        "entities ready or scheduled at the end": f"{claims[0]['ready']:,}",
        **_latencies(application.seconds),
    }


def _resident(process: int) -> int:
    """Bytes."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
