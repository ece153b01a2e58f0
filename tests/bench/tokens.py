"""How many access tokens a day costs: the accounts host throttles whoever asks often (sheet 1.3)."""

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from outbox.simulator import LimitSettings, SimulatorSettings, running_simulator
from tests.bench.draining import bench_server
from tests.bench.report import Report, at_most
from tests.bench.stage import conditions
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.limits.day import REPLICAS, STEP, Day
from tests.migration.migrated import migrated_template
from tests.store.host import Host

WANTED = 26

QUICK_STEP = timedelta(minutes=10)

HOW_TO_READ = (
    "A simulated day: several replicas ask Zoho at once every few minutes, and a command begins and ends every hour. "
    "The vault's tables, the clients and the simulator's token office are real; their clocks are moved together. A "
    "token lives for an hour, so 24 are the least. Held by tests/limits/test_limits.py."
)


def measure_tokens(*, quick: bool = False) -> Report:
    """One day, on a server of its own."""
    step = QUICK_STEP if quick else STEP
    with bench_server() as (server, databases):
        day = asyncio.run(_day(databases, step))
        report = Report(
            "Access tokens in 24 simulated hours",
            HOW_TO_READ,
            conditions(
                server, replicas=REPLICAS, commands=day.commands, **{"minutes between requests": step.seconds // 60}
            ),
        )
        tokens = day.zoho.simulator.tokens
        report.facts = [
            at_most("tokens minted", tokens.minted, WANTED, form="{:.0f}"),
            at_most("refused by the token office", tokens.throttled, 0, form="{:.0f}"),
            at_most(
                "requests that found their token dead", sum(day.zoho.statistics.unauthorised.values()), 0, form="{:.0f}"
            ),
            ("requests", f"{day.zoho.statistics.requests:,}"),
        ]
    return report


async def _day(databases: Databases, step: timedelta) -> Day:
    with databases.fresh(migrated_template(HostShape())) as database, Host(database) as host:
        async with running_simulator(SimulatorSettings(limits=LimitSettings.wide(), journal_length=0)) as zoho:
            day = Day(host, zoho, step)
            with capture_logs():  # A line for each request would stand above the table.
                await day.pass_by()
    return day
