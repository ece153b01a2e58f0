"""``python -m tests.limits``: the measured run. Prints figures; no test asserts a timing.

steady   three replicas and the ``backfill`` command against the simulator's strict limits (100 a minute, 5 in flight,
         10 tokens in 10 minutes): 429s, how much of the minute's budget was used, live changes meanwhile
wide     the same without a limit of the minute: commit to Zoho during a backfill that only latency slows
memory   resident memory of a daemon with a million pending entities, and live changes meanwhile
"""

import argparse
import asyncio
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import LimitSettings, SimulatorSettings, running_simulator
from tests.host.databases import Databases, DatabaseTemplate
from tests.host.shapes import HostShape, prepare_server
from tests.limits.runs import WARM_UP_SECONDS, Memory, Steady, run_backfill, run_memory
from tests.limits.scene import started
from tests.migration.migrated import migrated_template
from tests.plans.population import Population, Statistics, Work
from tests.store.host import Host

SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "synchronous_commit": "on"}
WARM_UP_WITHOUT_LIMIT_SECONDS = 5.0


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
                return _of_memory(await run_memory(host, zoho, start, seconds=arguments.seconds, every=arguments.every))
            steady = await run_backfill(
                host,
                zoho,
                start,
                folder,
                rate=arguments.rate if what == "steady" else 0,
                rows=arguments.rows,
                seconds=arguments.seconds,
                every=arguments.every,
                warm_up=WARM_UP_SECONDS if what == "steady" else WARM_UP_WITHOUT_LIMIT_SECONDS,
            )
            return _of_backfill(steady, arguments)


def _of_backfill(ran: Steady, arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "replicas, backfill rows, latency": f"{ran.replicas}, {arguments.rows:,}, {arguments.latency * 1000:.0f} ms",
        "measured": f"{ran.seconds:.0f} s, {ran.requests} requests, {ran.requests / ran.seconds * 60:.1f} a minute",
        "429": ran.refused,
        "most in a rolling minute, most in flight": f"{ran.most_in_a_minute}, {ran.most_in_flight}",
        "tokens": ran.tokens,
        "created twice": ran.created_twice,
        "backlog left at the end": f"{ran.left:,}",
        "lines about stops": dict(ran.stops) or "none",
        **_latencies(ran.live_seconds),
    }
    if ran.rate:
        figures["of the minute's budget used"] = f"{ran.budget_used:.1%} of {ran.rate}"
    return figures


def _of_memory(ran: Memory) -> dict[str, Any]:
    return {
        "pending entries at the start": f"{ran.pending:,}",
        "measured": f"{ran.seconds:.0f} s, {ran.requests} requests",
        "resident memory, most": f"{ran.most_bytes / 1e6:.0f} MB",
        "resident memory, at the end": f"{ran.end_bytes / 1e6:.0f} MB",
        "entities ready or scheduled at the end": f"{ran.claimable:,}",
        **_latencies(ran.live_seconds),
    }


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


if __name__ == "__main__":
    main()
