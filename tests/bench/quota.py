"""How much of Zoho's quota is used while there is work, by three replicas and a backfill that share it."""

import asyncio
import tempfile
from pathlib import Path
from statistics import median

from outbox.simulator import LimitSettings, SimulatorSettings, running_simulator
from tests.bench.draining import bench_server
from tests.bench.report import Report, at_least, at_most
from tests.bench.stage import conditions, say
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.limits.runs import WARM_UP_SECONDS, Steady, run_backfill
from tests.limits.scene import started
from tests.migration.migrated import migrated_template
from tests.store.host import Host

RATE = 60
"""ZOHO_REQUESTS_PER_MINUTE."""

SECONDS, QUICK_SECONDS = 180.0, 10.0
QUICK_WARM_UP_SECONDS = 5.0
ROWS = 2_000
"""Of the backfill: more than can be sent meanwhile."""

LATENCY_SECONDS = 0.2
"""Of the simulator, as of a Zoho in a good hour."""

LIVE_EVERY_SECONDS = 3.0

WANTED = 0.95

HOW_TO_READ = (
    "Three replicas and the backfill command against the simulator's strict limits (100 requests in any 60 s, 5 in "
    "flight, 10 tokens in 10 minutes), told to make 60 a minute; a customer is changed every 3 s beside it. Measured "
    "after a warm-up, in which the burst that a fresh budget allows is gone."
)


def measure_quota(*, quick: bool = False) -> Report:
    """A steady run, on a server of its own."""
    with bench_server() as (server, databases):
        ran = asyncio.run(_steady(databases, quick=quick))
        report = Report(
            "Quota used while there is work",
            HOW_TO_READ,
            conditions(
                server,
                replicas=ran.replicas,
                rate=ran.rate,
                seconds=round(ran.seconds),
                **{"latency ms": round(LATENCY_SECONDS * 1000)},
            ),
        )
        report.facts = [
            at_least("share of 60 requests a minute that was used", ran.budget_used, WANTED, form="{:.1%}"),
            at_most("refused (429)", ran.refused, 0, form="{:.0f}"),
            at_most("most requests in any 60 s", ran.most_in_a_minute, 100, form="{:.0f}"),
            at_most("most requests in flight", ran.most_in_flight, 5, form="{:.0f}"),
            at_most("created twice", ran.created_twice, 0, form="{:.0f}"),
            at_most("tokens minted", ran.tokens, 1, form="{:.0f}"),
            ("live changes meanwhile, commit to Zoho: median, worst", _spans(ran.live_seconds)),
        ]
        if not ran.left:
            report.facts.append(("backlog left at the end", "none: the share means nothing, there was no more work"))
    return report


async def _steady(databases: Databases, *, quick: bool) -> Steady:
    seconds = QUICK_SECONDS if quick else SECONDS
    warm_up = QUICK_WARM_UP_SECONDS if quick else WARM_UP_SECONDS
    say(f"steady run, {warm_up + seconds:.0f} s")
    strict = SimulatorSettings(
        limits=LimitSettings(requests_per_day=None), latency_seconds=LATENCY_SECONDS, journal_length=0
    )
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        Host(database) as host,
        tempfile.TemporaryDirectory() as folder,
        started(Path(folder)) as start,
    ):
        async with running_simulator(strict) as zoho:
            return await run_backfill(
                host,
                zoho,
                start,
                Path(folder),
                rate=RATE,
                rows=ROWS,
                seconds=seconds,
                every=LIVE_EVERY_SECONDS,
                warm_up=warm_up,
            )


def _spans(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s, {max(seconds):.2f} s" if seconds else "none arrived"
