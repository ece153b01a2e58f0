"""How long ``zoho-outbox backfill`` takes for many customers when quota is no wall, and where the time goes.

The command sends by itself (no daemon runs), in a process whose Zoho stands in the same process and answers at once.
As a program (``python -m tests.bench.backfill``) this is that process.
"""

import argparse
import cProfile
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from outbox.demo.postgres_server import PostgresServer
from tests.bench.daemon_process import cpu_seconds
from tests.bench.draining import CONCURRENCY, bench_server
from tests.bench.report import Report, at_most
from tests.bench.stage import AS_FAST_AS_IT_GOES, conditions, say, settings_of
from tests.bench.statements import StatementCost, count_from_here, counted
from tests.bench.transport import NOWHERE, Answers, Counts, InProcessTransport, settings_for
from tests.host.databases import Database, Databases
from tests.host.shapes import HostShape
from tests.limits.scene import rows_from_before
from tests.migration.migrated import migrated_template
from tests.store.host import Host

CUSTOMERS, QUICK_CUSTOMERS = 100_000, 500
LOOK_SECONDS = 0.25
SAY_SECONDS = 15.0
STATEMENTS_SHOWN = 12

HOW_TO_READ = (
    "Wall clock of the whole command, and of its stages: until the first row is enqueued (start, and looking through "
    "all rows), enqueueing, sending until the last row is finished, and the end. CPU seconds of the command, of all of "
    "PostgreSQL, and of everything else on the machine meanwhile (this benchmark's own looks among it); a machine of "
    "two cores has two CPU seconds a second. Statements by the server's execution time."
)

_MOMENTS = """
SELECT
    extract(epoch FROM min(entry.created_at))::float8,
    extract(epoch FROM max(entry.created_at))::float8,
    extract(epoch FROM max(entry.finished_at))::float8,
    count(*) FILTER (WHERE entry.outcome = 'sent')
FROM public.zoho_outbox AS entry
"""

_FINISHED = "SELECT count(*) FROM public.zoho_outbox AS entry WHERE entry.finished_at IS NOT NULL"


@dataclass(frozen=True)
class Backfilled:
    """One run of the command."""

    sent: int
    seconds: float
    stages: dict[str, float]
    """Seconds by name, in their order."""
    cpu: dict[str, float]
    """Seconds by who used them."""
    statements: list[StatementCost]
    requests: int


def measure_backfill(*, quick: bool = False, customers: int | None = None, profile: Path | None = None) -> Report:
    """On a server of its own. ``profile`` receives a cProfile of the command by CPU time, which costs time itself."""
    count = customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    with bench_server() as (server, databases):
        ran = run_backfill(server, databases, count, profile)
        report = Report(
            f"Backfill of {count:,} customers, quota aside",
            HOW_TO_READ,
            conditions(server, customers=count, concurrency=CONCURRENCY),
        )
        report.facts = [
            ("whole command", f"{ran.seconds:,.1f} s"),
            *((f"  {name}", f"{seconds:,.1f} s, {seconds / ran.seconds:.0%}") for name, seconds in ran.stages.items()),
            ("customers per second, whole command", f"{ran.sent / ran.seconds:,.0f}"),
            ("customers per second, while sending", f"{ran.sent / ran.stages['sending']:,.0f}"),
            *(
                (f"CPU: {who}", f"{seconds:,.1f} s, {seconds * 1000 / ran.sent:.3f} ms a customer")
                for who, seconds in ran.cpu.items()
            ),
            at_most("requests to Zoho per customer", ran.requests / ran.sent, 1.01, form="{:.3f}"),
            (
                "statements per customer",
                f"{sum(statement.calls for statement in ran.statements) / ran.sent:.2f} calls, "
                f"{sum(statement.milliseconds for statement in ran.statements) / ran.sent:.3f} ms",
            ),
            *(
                (
                    f"  {statement.name}",
                    f"{statement.calls:,} calls, {statement.milliseconds / 1000:,.2f} s, "
                    f"{statement.milliseconds / statement.calls:,.2f} ms and {statement.pages / statement.calls:,.0f} "
                    "pages each",
                )
                for statement in ran.statements[:STATEMENTS_SHOWN]
            ),
        ]
    return report


def run_backfill(server: PostgresServer, databases: Databases, customers: int, profile: Path | None) -> Backfilled:
    """``customers`` rows from before the installation. Raises ``RuntimeError`` where not all of them were sent."""
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        Host(database) as host,
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
    ):
        rows_from_before(host, customers)
        connection.execute("VACUUM ANALYZE")
        count_from_here(connection)
        counts = Counts(Path(folder, "counts"))
        postgres, machine = _cpu_of_all(server), _cpu_of_the_machine()
        began, wall = time.monotonic(), time.time()
        with _command(database, Path(folder), profile) as command:
            cpu = _follow(command, connection, customers)
            ended = time.time()
        seconds = time.monotonic() - began
        used = {"the command": cpu, "PostgreSQL": _cpu_of_all(server) - postgres}
        used["everything else"] = max(_cpu_of_the_machine() - machine - sum(used.values()), 0.0)
        first, last, finished, sent = connection.execute(_MOMENTS).fetchone() or (0.0, 0.0, 0.0, 0)
        if sent != customers or command.returncode != 0:
            said = Path(folder, "said").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{sent} of {customers} were sent, exit status {command.returncode}:\n{said}")
        stages = {
            "start, and looking through the rows": first - wall,
            "enqueueing": last - first,
            "sending": finished - last,
            "end": ended - finished,
        }
        return Backfilled(sent, seconds, stages, used, counted(connection), counts.requests)


@contextmanager
def _command(database: Database, folder: Path, profile: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    options = [f"--counts={folder / 'counts'}", *([f"--profile={profile}"] if profile else [])]
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.backfill", *options],
            env=settings_of(
                database,
                settings_for(NOWHERE),
                **AS_FAST_AS_IT_GOES,
                ZOHO_MAX_CONCURRENCY=str(CONCURRENCY),
            ),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as command,
    ):
        try:
            yield command
        finally:
            if command.poll() is None:
                command.kill()


def _follow(command: subprocess.Popen[bytes], connection: psycopg.Connection[Any], customers: int) -> float:
    """Until the command ends, its CPU seconds; says now and then how far it is."""
    cpu, say_at = 0.0, time.monotonic() + SAY_SECONDS
    while os.waitid(os.P_PID, command.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > say_at:
            say_at += SAY_SECONDS
            row = connection.execute(_FINISHED).fetchone()
            say(f"backfill: {0 if row is None else row[0]:,} of {customers:,}")
        time.sleep(LOOK_SECONDS)
    # A process that has ended and was not waited for still shows what it used.
    cpu = cpu_seconds(command.pid)
    command.wait()
    return cpu


def _cpu_of_all(server: PostgresServer) -> float:
    """CPU seconds of the postmaster, of those of its children that ended, and of those that live."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
    total = cpu_seconds(server.pid)
    for child in children:
        try:
            total += cpu_seconds(int(child))
        except FileNotFoundError:
            continue  # Ended a moment ago.
    return total


def _cpu_of_the_machine() -> float:
    """CPU seconds of all cores that were not idle, since the machine began (Linux)."""
    user, nice, system, _idle, _waiting, irq, soft = (
        int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


class _ListsToo(Answers):
    """A backfill lists Zoho's customers first: there are none."""

    def to(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        if method == "GET" and path.endswith("/customers"):
            self._counts.count_request()
            return 200, b'{"code":0,"message":"success","customers":[],"page_context":{"has_more_page":false}}'
        return super().to(method, path, content)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=Path, required=True)
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    transport = InProcessTransport(_ListsToo(Counts(arguments.counts), os.getpid()))
    with patch("outbox.zoho.connection._transport", lambda *_: transport):
        from daemon.command_line import main  # noqa: PLC0415 - what it imports is replaced first

        sys.argv = ["zoho-outbox", "backfill", "customers"]
        if arguments.profile is None:
            main()
            return
        # By CPU time: waiting is no work, and what waits is told by the statements.
        profile = cProfile.Profile(time.process_time)
        try:
            profile.runcall(main)
        finally:
            profile.dump_stats(arguments.profile)


if __name__ == "__main__":
    _main()
