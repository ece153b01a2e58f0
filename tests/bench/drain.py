"""How fast a backlog is drained by one real daemon, and where its time goes.

Two runs: one undisturbed, for the rate, and one below cProfile, for the functions. The simulator is a third process,
without limits and without delay, so the machine has three hungry processes: with two cores the rate is that of the
machine, not of the daemon alone. CPU seconds tell them apart.
"""

import os
import pstats
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Any

import psycopg

from outbox.demo.postgres_server import PostgresServer
from tests.bench.report import Report, machine
from tests.host.databases import Database, Databases
from tests.host.shapes import HostShape, prepare_server
from tests.migration.migrated import DAEMON, migrated_template

LONGEST_SECONDS = 900.0
LOOK_SECONDS = 0.25
FUNCTIONS_SHOWN = 15
LIKE_ENOUGH = 40
"""Characters."""

HOW_TO_READ = (
    "Entities per second between the first and the last one that was finished. Statements are counted by "
    "pg_stat_statements, per entity; milliseconds are the server's execution time per entity."
)

_SIMULATE = """
from outbox.simulator import LimitSettings, SimulatorSettings
from outbox.simulator.command import run
settings = SimulatorSettings(limits=LimitSettings.wide(), journal_length=0)
raise SystemExit(run(0, settings, lambda text: print(text, flush=True)))
"""

_PROFILE = """
import cProfile, sys, time
from daemon.command_line import main
path = sys.argv.pop(1)
profile = cProfile.Profile(time.process_time)
try:
    profile.runcall(main)
finally:
    profile.dump_stats(path)
"""
"""By CPU time: waiting is no work, and what waits is told by the statements."""

_BACKLOG = """
INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
SELECT 'Anna', 'Meadow', number || '@example.com', '+27 21 555 0101', 'CT-' || number
FROM generate_series(1, %(entities)s) AS number
"""

_LEFT = "SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL"

_SPAN = """
SELECT extract(epoch FROM max(finished_at) - min(finished_at))::float8, count(*) FILTER (WHERE outcome = 'sent')
FROM public.zoho_outbox
"""

_STATEMENTS = """
SELECT stat.query, stat.calls, stat.total_exec_time, stat.shared_blks_hit + stat.shared_blks_read
FROM pg_stat_statements AS stat
WHERE stat.userid = 'zoho_outbox_daemon'::regrole AND stat.toplevel
ORDER BY stat.total_exec_time DESC
"""


@dataclass(frozen=True)
class _Drained:
    seconds: float
    sent: int
    daemon_cpu_seconds: float
    simulator_cpu_seconds: float
    statements: list[tuple[str, int, float, int]]
    """Text, calls, milliseconds, pages."""
    transactions: int


def measure_drain(*, entities: int, concurrency: int, synchronous_commit: bool) -> Report:
    """Drains ``entities`` new customers twice."""
    settings = {
        "synchronous_commit": "on" if synchronous_commit else "off",
        "shared_buffers": "512MB",
        "max_wal_size": "8GB",
        "shared_preload_libraries": "pg_stat_statements",
    }
    with PostgresServer(settings=settings) as server, tempfile.TemporaryDirectory() as directory:
        prepare_server(server)
        databases = Databases(server, "bench")
        profile = Path(directory) / "profile"
        plain = _drain(databases, entities, concurrency, None)
        _drain(databases, entities, concurrency, profile)
        report = Report(
            "Drain of a backlog of new customers",
            HOW_TO_READ,
            machine()
            | {"PostgreSQL": server.version, "entities": entities, "concurrency": concurrency, "fsync": "on"}
            | settings,
        )
        report.facts = [
            ("entities per second", f"{plain.sent / plain.seconds:,.0f}"),
            ("daemon: CPU ms per entity", f"{plain.daemon_cpu_seconds * 1000 / entities:.2f}"),
            ("simulator: CPU ms per entity", f"{plain.simulator_cpu_seconds * 1000 / entities:.2f}"),
            ("transactions per entity", f"{plain.transactions / entities:.2f}"),
            *_statement_facts(plain, entities),
            *_function_facts(profile, entities),
        ]
    return report


def _drain(databases: Databases, entities: int, concurrency: int, profile: Path | None) -> _Drained:
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        _simulator() as (simulator, zoho),
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
    ):
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(_BACKLOG, {"entities": entities})
        connection.execute("VACUUM ANALYZE")
        connection.execute("SELECT pg_stat_statements_reset()")
        before = _commits(connection)
        with _daemon(database, zoho, concurrency, profile) as daemon:
            _wait_until_empty(connection, daemon)
            cpu = _cpu_seconds(daemon.pid), _cpu_seconds(simulator.pid)
        span = connection.execute(_SPAN).fetchone()
        statements = connection.execute(_STATEMENTS).fetchall()
        transactions = _commits(connection) - before
    assert span is not None
    return _Drained(span[0], span[1], *cpu, statements, transactions)


@contextmanager
def _simulator() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    process = subprocess.Popen([sys.executable, "-c", _SIMULATE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        zoho = {}
        for _ in range(6):
            name, _, value = process.stdout.readline().removeprefix("export ").strip().partition("=")
            zoho[name] = value.strip("'")
        yield process, zoho
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def _daemon(
    database: Database, zoho: dict[str, str], concurrency: int, profile: Path | None
) -> Iterator[subprocess.Popen[bytes]]:
    begin = ["-m", "daemon"] if profile is None else ["-c", _PROFILE, str(profile)]
    process = subprocess.Popen(
        [sys.executable, *begin, "run"],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DATABASE_URL": database.dsn(DAEMON),
            "ZOHO_REQUESTS_PER_MINUTE": "0",
            "ZOHO_DAILY_REQUEST_LIMIT": "0",
            "ZOHO_MAX_CONCURRENCY": str(concurrency),
            "OUTBOX_HTTP_LISTEN": "",
            "LOG_FORMAT": "json",
            **zoho,
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_empty(connection: psycopg.Connection[Any], daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        left = connection.execute(_LEFT).fetchone()
        if left == (0,):
            return
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended with status {daemon.returncode}, {left and left[0]} entries are left")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{left and left[0]} entries are left after {LONGEST_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process that still runs (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _commits(connection: psycopg.Connection[Any]) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return 0 if row is None else int(row[0])


def _statement_facts(drained: _Drained, entities: int) -> Iterator[tuple[str, str]]:
    calls = sum(statement[1] for statement in drained.statements)
    yield "statements per entity", f"{calls / entities:.2f}"
    for text, count, milliseconds, pages in drained.statements[:16]:
        share = f"{count / entities:.3f} calls, {milliseconds / entities:.3f} ms, {pages / entities:.0f} pages"
        yield f"  {_name_of(text)}", share


def _name_of(text: str) -> str:
    """The file of the statement, by the longest beginning that both have: parameters are written otherwise."""
    known = {
        file.name.removesuffix(".sql"): _bare(file.read_text(encoding="utf-8"))
        for file in files("outbox.store.statements").iterdir()
        if file.name.endswith(".sql")
    }
    bare = _bare(text)
    alike = {
        name: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(bare, statement, strict=False)))
        for name, statement in known.items()
    }
    best = max(alike, key=lambda name: alike[name])
    return best if alike[best] >= LIKE_ENOUGH else bare[:50]


def _bare(statement: str) -> str:
    lines = (line.partition("--")[0] for line in statement.splitlines())
    return " ".join(" ".join(lines).split())


def _function_facts(profile: Path, entities: int) -> Iterator[tuple[str, str]]:
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = vars(pstats.Stats(str(profile)))["stats"]
    whole = sum(entry[2] for entry in stats.values())
    yield "below cProfile: CPU ms per entity", f"{whole * 1000 / entities:.2f}"
    ours = {key: entry for key, entry in stats.items() if {"outbox", "daemon"} & set(Path(key[0]).parts[:-1])}
    for kind, functions, place in (("own", stats, 2), ("with what it calls", ours, 3)):
        ordered = sorted(functions.items(), key=lambda item: item[1][place], reverse=True)
        for (file, line, name), entry in ordered[:FUNCTIONS_SHOWN]:
            where = f"{'/'.join(Path(file).parts[-2:])}:{line} {name}" if line else name
            yield f"  {kind}: {where[:70]}", f"{entry[place] * 1000 / entities:.3f} ms, {entry[0] / entities:.2f} calls"
