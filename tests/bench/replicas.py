"""One, two and four daemons on one database: the same backlog, the same budget.

More replicas are there for when one dies, not for speed: Zoho's quota is the wall. So the question is what they cost
each other, whether two ever create the same customer, and whether they keep to one budget.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from outbox.store.budget import BURST
from tests.bench.daemon_process import BenchDaemon, bench_daemon
from tests.bench.draining import (
    CONCURRENCY,
    SERVER_SETTINGS,
    bench_server,
    check_recorded,
    commit_backlog,
    span_since,
    wait_until_created,
    wait_until_finished,
)
from tests.bench.report import Ratio, Report, machine
from tests.host.databases import Database, Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

REPLICAS = (1, 2, 4)
ENTITIES = 20_000
ROUNDS = 2
WANTED = 1.0

PER_MINUTE = 600
BUDGET_SECONDS = 20.0

IDLE_SECONDS = 0.5
LONGEST_IDLE_SECONDS = 30.0

HOW_TO_READ = (
    "All replicas are idle when the backlog is committed. The rate is that of all together, over that of one alone in "
    "the same round. Each customer was created once, which the creates of all processes, the log rows and the ids "
    "tell; the run would end with an error else. Budget: what the database counted as permitted, what left the "
    "processes, and what the rate allows in the time between the first and the last create, with its burst."
)


@dataclass(frozen=True)
class _Budget:
    permitted: int
    requests: int
    creates: int
    seconds: float

    @property
    def allowed(self) -> float:
        """Creates between the first and the last."""
        return self.seconds * PER_MINUTE / 60 + BURST


def measure_replicas(*, quick: bool, entities: int | None = None, rounds: int | None = None) -> Report:
    """Drains 20,000 new customers with one, two and four replicas, twice; then keeps four of them to a budget."""
    entities = entities or (300 if quick else ENTITIES)
    rounds = rounds or (1 if quick else ROUNDS)
    rates: dict[int, list[float]] = {count: [] for count in REPLICAS}
    with bench_server() as (server, databases), tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for count in REPLICAS if number % 2 == 0 else REPLICAS[::-1]:
                rates[count].append(_drained(databases, Path(folder) / f"{number}-{count}", count, entities))
        budget = _budget_kept(databases, Path(folder) / "budget", 3.0 if quick else BUDGET_SECONDS)
        report = Report(
            "Replicas on one database, Zoho answers at once",
            HOW_TO_READ,
            machine()
            | {"PostgreSQL": server.version, "entities": entities, "rounds": rounds}
            | {"concurrency, all replicas together": CONCURRENCY, "fsync": "on"}
            | SERVER_SETTINGS,
        )
    report.ratios = [
        Ratio(
            f"drain by {count} replicas",
            f"{count} replicas / 1",
            tuple(many / one for many, one in zip(rates[count], rates[1], strict=True)),
            median(rates[count]),
            WANTED,
        )
        for count in REPLICAS[1:]
    ]
    report.facts = [
        *((f"{count} replicas: entities per second", f"{median(rates[count]):,.0f}") for count in REPLICAS),
        ("customers created twice, in any of these runs", "0"),
        (f"{REPLICAS[-1]} replicas at {PER_MINUTE} requests a minute: permits counted", f"{budget.permitted:,}"),
        ("  requests that left", f"{budget.requests:,}"),
        (f"  creates in {budget.seconds:.1f} s", f"{budget.creates:,}"),
        (f"  allowed in that time, with a burst of {BURST}", f"{budget.allowed:,.1f}"),
        ("  share of it that was used", f"{budget.creates / budget.allowed:.1%}"),
    ]
    return report


def _drained(databases: Databases, directory: Path, count: int, entities: int) -> float:
    """The rate of ``count`` replicas; raises where one customer was created twice or anything was not recorded."""
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
        _replicas(database, directory, count, {"ZOHO_MAX_CONCURRENCY": str(CONCURRENCY)}) as daemons,
    ):
        wait_until_idle(connection)
        began = time.time()
        commit_backlog(connection, entities)
        wait_until_created(daemons, [daemon.counts for daemon in daemons], entities)
        wait_until_finished(connection, daemons[0])
        for daemon in daemons:
            daemon.end()
        seconds, sent = span_since(connection, began)
        check_recorded(database, entities, sum(daemon.counts.creates for daemon in daemons))
    return sent / seconds


def _budget_kept(databases: Databases, directory: Path, seconds: float) -> _Budget:
    """Four replicas that have more to do than they may; raises where they did more than was permitted."""
    settings = {"ZOHO_MAX_CONCURRENCY": str(CONCURRENCY), "ZOHO_REQUESTS_PER_MINUTE": str(PER_MINUTE)}
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
        _replicas(database, directory, REPLICAS[-1], settings, moments=True) as daemons,
    ):
        wait_until_idle(connection)
        commit_backlog(connection, int(seconds * PER_MINUTE / 60 * 2) + 100)
        time.sleep(seconds)
        for daemon in daemons:
            daemon.end()
        row = connection.execute("SELECT sum(requests)::integer FROM zoho_outbox_private.day_budget").fetchone()
    assert row is not None
    moments = sorted(moment for daemon in daemons for moment in daemon.told["moments"])
    kept = _Budget(
        permitted=row[0],
        requests=sum(daemon.counts.requests for daemon in daemons),
        creates=len(moments),
        seconds=moments[-1] - moments[0],
    )
    assert kept.permitted == kept.requests, f"{kept.requests} requests left, {kept.permitted} were permitted"
    # One more: the first may have left a moment later after its permit than the last.
    assert kept.creates <= kept.allowed + 1, f"{kept.creates} creates in {kept.seconds:.2f} s"
    return kept


@contextmanager
def _replicas(
    database: Database, directory: Path, count: int, settings: Mapping[str, str], *, moments: bool = False
) -> Iterator[list[BenchDaemon]]:
    with ExitStack() as stack:
        daemons = [
            stack.enter_context(bench_daemon(database, directory / str(number), settings=settings, moments=moments))
            for number in range(count)
        ]
        for daemon in daemons:
            daemon.wait_until_ready()
        yield daemons


def wait_until_idle(connection: psycopg.Connection[tuple[object, ...]], seconds: float = IDLE_SECONDS) -> None:
    """Until a daemon has asked to be rung, and ``seconds`` more: after asking it looks once more."""
    deadline = time.monotonic() + LONGEST_IDLE_SECONDS
    while connection.execute("SELECT wanted FROM zoho_outbox_private.bell").fetchone() != (True,):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no daemon was idle after {LONGEST_IDLE_SECONDS:g} s")
        time.sleep(0.005)
    time.sleep(seconds)
