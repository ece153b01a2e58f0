"""The measured runs before a simulator with Zoho's limits: what ``python -m tests.limits`` and the benchmarks print."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from outbox.simulator import RunningSimulator
from tests.acceptance.running import ROOT, environment
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
)
from tests.store.host import Host

WARM_UP_SECONDS = 30.0
"""Until a minute's budget is used evenly: a replica that begins finds it full."""

STOPS = ("organisation.throttled", "organisation.broken", "organisation.forbidden", "budget.spent", "token.throttled")

NO_DAY = {"ZOHO_DAILY_REQUEST_LIMIT": "0"}


@dataclass(frozen=True)
class Steady:
    """Three replicas and the ``backfill`` command, with a backlog that lasts."""

    replicas: int
    rate: int
    """Requests a minute that the settings allow; 0: no limit."""
    seconds: float
    requests: int
    refused: int
    """429s."""
    most_in_a_minute: int
    most_in_flight: int
    tokens: int
    created_twice: int
    left: int
    """Of the backlog, at the end."""
    stops: Counter[str]
    live_seconds: list[float]
    """From commit to Zoho, of each live change."""

    @property
    def budget_used(self) -> float:
        """Share of what the settings allow in that time."""
        return self.requests / (self.rate * self.seconds / 60)


async def run_backfill(
    host: Host,
    zoho: RunningSimulator,
    start: Start,
    folder: Path,
    *,
    rate: int,
    rows: int,
    seconds: float,
    every: float,
    warm_up: float,
) -> Steady:
    """A backfill of ``rows`` customers, live changes ``every`` so many seconds; measured after ``warm_up``."""
    rows_from_before(host, rows)
    changes = {"ZOHO_REQUESTS_PER_MINUTE": str(rate), **NO_DAY}
    daemons = await replicas(host, zoho, start, changes)
    with _backfill_command(environment(host.database, zoho, **AS_INSTALLED, **changes), folder / "backfill.log"):
        await backfill_runs(zoho)
        await asyncio.sleep(warm_up)
        before, began = zoho.statistics.requests, time.monotonic()
        application = Application(host, zoho)
        await application.commit(every, seconds)
        took, requests = time.monotonic() - began, zoho.statistics.requests - before
    return Steady(
        replicas=len(daemons),
        rate=rate,
        seconds=took,
        requests=requests,
        refused=sum(zoho.statistics.refused.values()),
        most_in_a_minute=zoho.statistics.most_in_a_minute,
        most_in_flight=zoho.statistics.most_in_flight,
        tokens=zoho.simulator.tokens.minted,
        created_twice=len(zoho.statistics.created_more_than_once("customers", "External ID")),
        left=backlog(host),
        stops=lines_of(daemons, *STOPS),
        live_seconds=application.seconds,
    )


@contextmanager
def _backfill_command(environ: dict[str, str], log: Path) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "daemon", "backfill"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as command,
    ):
        try:
            yield
        finally:
            command.terminate()


@dataclass(frozen=True)
class Memory:
    """One daemon before a large backlog."""

    pending: int
    """Entries at the start."""
    seconds: float
    requests: int
    most_bytes: int
    """Resident, as of every half second."""
    end_bytes: int
    claimable: int
    """Entities ready or scheduled at the end."""
    live_seconds: list[float]


async def run_memory(host: Host, zoho: RunningSimulator, start: Start, *, seconds: float, every: float) -> Memory:
    """A daemon without quota works on what is pending; live changes ``every`` so many seconds."""
    drop_leases(host)
    pending = host.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL")
    await replicas(host, zoho, start, {"ZOHO_REQUESTS_PER_MINUTE": "0", **NO_DAY}, count=1)
    process = process_of(host)
    most: list[int] = []
    application = Application(host, zoho)

    async def watch() -> None:
        while True:
            most.append(resident_bytes(process))
            await asyncio.sleep(0.5)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await application.commit(every, seconds)
        tasks.cancel_scope.cancel()
    claimable = host.value(
        "SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase IN ('ready', 'scheduled')"
    )
    return Memory(pending, seconds, zoho.statistics.requests, max(most), most[-1], int(claimable), application.seconds)


def process_of(host: Host) -> int:
    """The process id of the only daemon."""
    return int(host.value("SELECT pid FROM zoho_outbox_private.session WHERE kind = 'daemon'"))


def resident_bytes(process: int) -> int:
    """What the process holds in memory (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
