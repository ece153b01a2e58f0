"""From the host's commit to the request that leaves, with a daemon that has nothing else to do.

Beside it, in blocks that alternate, what the machine can do at best: one connection that inserts, notifies and commits,
and a process that does nothing but listen. Both sides stamp on CLOCK_MONOTONIC, which processes share.

As a program (``python -m tests.bench.latency``) it is that listener.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg

from tests.bench.daemon_process import BenchDaemon, bench_daemon
from tests.bench.draining import SERVER_SETTINGS, bench_server, wait_until_finished
from tests.bench.orphans import end_with_the_parent
from tests.bench.replicas import wait_until_idle
from tests.bench.report import Report, at_most, machine
from tests.bench.transport import Counts
from tests.host.databases import Database
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

SAMPLES = 300
BLOCK = 30
STEPS_SAMPLES = 60
PAUSES = (0.05, 0.15)
"""Seconds between samples, drawn evenly: nothing may fall into step with a poll."""
CALM_SECONDS = 0.15
ARRIVAL_SECONDS = 20.0
COMMON = 0.5
"""A step is shown that stands in at least this share of the samples."""

WANTED_P50_MS, WANTED_P99_MS = 3.0, 15.0
_FORM = "{:.2f} ms"

HOW_TO_READ = (
    "Milliseconds from when the application's COMMIT returned to when the create leaves the daemon. The daemon was "
    "idle each time and had asked to be rung. The bare round trip is INSERT, NOTIFY and COMMIT on one connection, to a "
    "process that only listens. Steps: when each begins after the commit, and how long it takes (medians); what lies "
    "between two of them is the daemon's own."
)

_INSERT = """
INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
VALUES ('Anna', 'Meadow', %(number)s || '@example.com', '+27 21 555 0101', 'CT-' || %(number)s)
"""

_BARE_TABLE = (
    "CREATE TABLE public.bare_events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number text NOT NULL)"
)


@dataclass
class _Sampled:
    """Moments, one of each sample."""

    committed: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)

    @property
    def milliseconds(self) -> list[float]:
        """Of each sample; below zero where the notification was quicker than the commit's own reply."""
        return [(there - here) * 1000 for here, there in zip(self.committed, self.arrived, strict=True)]


def measure_latency(*, quick: bool, samples: int | None = None, block: int | None = None) -> Report:
    """300 commits to an idle daemon, and as many to a bare listener; then some more, to see where the time goes."""
    samples = samples or (10 if quick else SAMPLES)
    block = block or (5 if quick else BLOCK)
    with bench_server() as (server, databases), tempfile.TemporaryDirectory() as folder:
        with databases.fresh(migrated_template(HostShape())) as database:
            ours, bare = _both(database, Path(folder), samples, block)
        report = Report(
            "From commit to request, idle system",
            HOW_TO_READ,
            machine() | {"PostgreSQL": server.version, "samples": samples, "fsync": "on"} | SERVER_SETTINGS,
        )
        report.facts = [
            at_most("commit → request leaves: p50", median(ours), WANTED_P50_MS, form=_FORM),
            at_most("commit → request leaves: p99", _p99(ours), WANTED_P99_MS, form=_FORM),
            ("bare INSERT + NOTIFY round trip: p50", _shown(median(bare))),
            ("bare INSERT + NOTIFY round trip: p99", _shown(_p99(bare))),
        ]
        with databases.fresh(migrated_template(HostShape())) as database:
            report.facts += _steps(database, Path(folder) / "steps", min(samples, STEPS_SAMPLES))
    return report


def _both(database: Database, directory: Path, samples: int, block: int) -> tuple[list[float], list[float]]:
    ours, bare = _Sampled(), _Sampled()
    with (
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
        psycopg.connect(database.superuser_dsn) as application,
        bench_daemon(database, directory / "daemon", moments=True) as daemon,
    ):
        connection.execute(_BARE_TABLE)
        with _bare_listener(database, directory / "listener") as listener:
            daemon.wait_until_ready()
            for number in range(samples // block):
                runs: list[Callable[[], None]] = [
                    lambda: _sample(ours, block, connection, daemon, application),
                    lambda: _sample_bare(bare, block, listener, application),
                ]
                for run in runs if number % 2 == 0 else runs[::-1]:
                    run()
            bare.arrived = listener.end()
        daemon.end()
    ours.arrived = daemon.told["moments"]
    return ours.milliseconds, bare.milliseconds


def _sample(
    sampled: _Sampled,
    block: int,
    connection: psycopg.Connection[Any],
    daemon: BenchDaemon,
    application: psycopg.Connection[Any],
) -> None:
    for _ in range(block):
        wait_until_idle(connection, random.uniform(*PAUSES))
        application.execute(_INSERT, {"number": str(len(sampled.committed) + 1)})
        application.commit()
        sampled.committed.append(time.monotonic())
        _wait_for(lambda: daemon.counts.creates, len(sampled.committed))
        wait_until_finished(connection, daemon)
        # It may have asked to be rung before this one and be about to take that back: not idle yet.
        time.sleep(CALM_SECONDS)


def _sample_bare(sampled: _Sampled, block: int, listener: "_Listener", application: psycopg.Connection[Any]) -> None:
    for _ in range(block):
        time.sleep(random.uniform(*PAUSES))
        application.execute("INSERT INTO public.bare_events (number) VALUES (%s)", [str(len(sampled.committed) + 1)])
        application.execute("SELECT pg_notify('bare_events', '')")
        application.commit()
        sampled.committed.append(time.monotonic())
        _wait_for(lambda: listener.counts.creates, len(sampled.committed))


def _wait_for(arrived: Callable[[], int], wanted: int) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while arrived() < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"commit {wanted} did not arrive within {ARRIVAL_SECONDS:g} s")
        time.sleep(0.002)


# Where the time goes: in a run of its own, since looking costs time.


def _steps(database: Database, directory: Path, samples: int) -> Iterator[tuple[str, str]]:
    sampled = _Sampled()
    with (
        psycopg.connect(database.superuser_dsn, autocommit=True) as connection,
        psycopg.connect(database.superuser_dsn) as application,
        bench_daemon(database, directory, moments=True, steps=True) as daemon,
    ):
        daemon.wait_until_ready()
        _sample(sampled, samples, connection, daemon, application)
        daemon.end()
    sampled.arrived = daemon.told["moments"]
    yield f"where it goes, {samples} samples: commit → request leaves", _shown(median(sampled.milliseconds))
    begins: dict[str, list[float]] = defaultdict(list)
    takes: dict[str, list[float]] = defaultdict(list)
    for committed, left in zip(sampled.committed, sampled.arrived, strict=True):
        seen: dict[str, int] = defaultdict(int)
        for name, began, ended in daemon.told["steps"]:
            # What woke it may have been heard before the application heard of its own commit.
            if committed - 0.005 <= began <= left:
                seen[name] += 1
                step = name if seen[name] == 1 else f"{name}, time {seen[name]}"
                begins[step].append((began - committed) * 1000)
                takes[step].append((ended - began) * 1000)
    for step in sorted(begins, key=lambda step: median(begins[step])):
        if len(begins[step]) >= COMMON * samples:
            yield f"  {step}", f"at {median(begins[step]):.2f}, takes {median(takes[step]):.2f} ms"


# The bare listener.


@dataclass
class _Listener:
    process: subprocess.Popen[bytes]
    directory: Path
    counts: Counts

    def end(self) -> list[float]:
        """When each notification arrived."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        moments: list[float] = json.loads((self.directory / "moments.json").read_text(encoding="utf-8"))
        return moments


@contextmanager
def _bare_listener(database: Database, directory: Path) -> Iterator[_Listener]:
    directory.mkdir()
    counts = Counts(directory / "counts")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.latency", f"--directory={directory}"],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DATABASE_URL": database.superuser_dsn,
        },
        stdin=subprocess.PIPE,
    )
    try:
        # Its first count says that it listens.
        _wait_for(lambda: counts.requests, 1)
        yield _Listener(process, directory, counts)
    finally:
        process.terminate()
        process.communicate()


def _listen() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    directory: Path = parser.parse_args().directory
    counts = Counts(directory / "counts")
    moments: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_with_the_parent()
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("LISTEN bare_events")
            counts.count_request()
            for _ in connection.notifies():
                moments.append(time.monotonic())
                counts.count_create()
    finally:
        (directory / "moments.json").write_text(json.dumps(moments), encoding="utf-8")


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


def _shown(milliseconds: float) -> str:
    return _FORM.format(milliseconds)


if __name__ == "__main__":
    _listen()
