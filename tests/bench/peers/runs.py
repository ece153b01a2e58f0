"""One run of one peer's program against a database of its own, and what its output means."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, assert_never

import psycopg

from tests.bench.peers.installation import Installation, Missing, last_line
from tests.host.databases import Database, Databases

FILL_SECONDS = 120.0
DRAIN_SECONDS = 300.0
LATENCY_SECONDS = 200.0

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[2]
_NANOSECONDS = 1e9


class Language(StrEnum):
    """What runs a program."""

    PYTHON = "python"
    NODE = "node"


@dataclass(frozen=True)
class Peer:
    """One peer, or the bare client that is the ceiling of its language's peers."""

    name: str
    program: str
    """In ``programs``."""
    language: Language
    environment: Mapping[str, str]
    oldest_python: tuple[int, int] = (3, 11)
    polls: bool = False
    """It has no LISTEN: a job waits for the next look, half a second apart at most."""


PROCRASTINATE = Peer("procrastinate", "procrastinate_peer", Language.PYTHON, {})
PGQUEUER_PSYCOPG = Peer("pgqueuer, psycopg", "pgqueuer_peer", Language.PYTHON, {"PGQUEUER_DRIVER": "psycopg"})
PGQUEUER_ASYNCPG = Peer("pgqueuer, asyncpg", "pgqueuer_peer", Language.PYTHON, {"PGQUEUER_DRIVER": "asyncpg"})
CHANCY = Peer("chancy", "chancy_peer", Language.PYTHON, {})
OBAN = Peer("oban-py", "oban_peer", Language.PYTHON, {}, oldest_python=(3, 12))
GRAPHILE_WORKER = Peer("graphile-worker", "graphile_worker_peer", Language.NODE, {})
PG_BOSS = Peer("pg-boss", "pg_boss_peer", Language.NODE, {}, polls=True)

PEERS = (PROCRASTINATE, PGQUEUER_PSYCOPG, PGQUEUER_ASYNCPG, CHANCY, OBAN, GRAPHILE_WORKER, PG_BOSS)

BARE_PYTHON = Peer("no queue: httpx on aiohttp in a bare loop", "bare_loop", Language.PYTHON, {})
BARE_NODE = Peer("no queue: undici in a bare loop", "bare_loop", Language.NODE, {})


@dataclass(frozen=True)
class Drained:
    """A backlog that stood there before the worker began, worked off."""

    jobs: int
    repeated: int
    """Handlers that ran a second time for a job."""
    seconds: float
    """From the first handler's begin until no job was left in the database."""
    seconds_from_start: float
    """The same from the worker's start: connecting, its own checks, its first look."""
    cpu_seconds: float
    """Of the peer's process."""

    @property
    def rate(self) -> float:
        """Jobs per second, settled, between the first and the last."""
        return self.jobs / self.seconds


@dataclass(frozen=True)
class Latencies:
    """Milliseconds, of single jobs in an idle system."""

    from_commit: tuple[float, ...]
    """From when the enqueuing call had returned to the handler's begin. A handler may be quicker than the call."""
    from_call: tuple[float, ...]
    """From when that call began."""


def drain(
    installation: Installation, peer: Peer, databases: Databases, *, jobs: int, concurrency: int, api: str | None = None
) -> Drained | Missing:
    """``jobs`` jobs in a fresh database; with ``api``, each makes one POST there."""
    command = _command(installation, peer)
    if isinstance(command, Missing):
        return command
    with databases.fresh() as database:
        if (failed := _fill(command, database, jobs)) is not None:
            return failed
        said = command.run(
            ["drain", "--dsn", database.superuser_dsn, f"--jobs={jobs}", f"--concurrency={concurrency}"]
            + ([] if api is None else ["--api", api]),
            DRAIN_SECONDS,
        )
        return said if isinstance(said, Missing) else drained_of(said)


def latencies(installation: Installation, peer: Peer, databases: Databases, *, samples: int) -> Latencies | Missing:
    """``samples`` single jobs after pauses, each when the one before was handled; two processes, one clock.

    Fewer where a peer takes so long over each that a minute passes before.
    """
    command = _command(installation, peer)
    if isinstance(command, Missing):
        return command
    with databases.fresh() as database:
        if (failed := _fill(command, database, 0)) is not None:
            return failed
        listen = command.begin(["listen", "--dsn", database.superuser_dsn, "--concurrency=50"])
        try:
            # A poller's rhythm starts anew with each look: shorter pauses would all meet it at the same beat.
            pauses = ["--longest-pause=0.52"] if peer.polls else []
            said = command.run(
                ["send", "--dsn", database.superuser_dsn, f"--samples={samples}", *pauses],
                LATENCY_SECONDS,
                stdin=listen.stdout,
            )
        finally:
            _end(listen)
        return said if isinstance(said, Missing) else latencies_of(said)


def drained_of(output: str) -> Drained | Missing:
    """What the last line of a ``drain`` says."""
    said = _parsed(output)
    if isinstance(said, Missing):
        return said
    return Drained(
        said["jobs"],
        said["calls"] - said["jobs"],
        (said["settled"] - said["first"]) / _NANOSECONDS,
        (said["settled"] - said["started"]) / _NANOSECONDS,
        said["cpu_seconds"],
    )


def latencies_of(output: str) -> Latencies | Missing:
    """What the last line of a ``send`` says."""
    said = _parsed(output)
    if isinstance(said, Missing):
        return said
    return Latencies(
        tuple(nanoseconds / 1e6 for nanoseconds in said["from_commit"]),
        tuple(nanoseconds / 1e6 for nanoseconds in said["from_call"]),
    )


def _parsed(output: str) -> Any:
    lines = output.splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        return Missing(f"no line of JSON, but: {last_line(output)}")


def _fill(command: "_Command", database: Database, jobs: int) -> Missing | None:
    said = command.run(["fill", "--dsn", database.superuser_dsn, f"--jobs={jobs}"], FILL_SECONDS)
    if isinstance(said, Missing):
        return said
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        # What autovacuum would have done by then on a server that is not a minute old.
        connection.execute("VACUUM ANALYZE")
    return None


@dataclass(frozen=True)
class _Command:
    """A program with what runs it."""

    words: tuple[str, ...]
    environment: Mapping[str, str]

    def run(self, arguments: Sequence[str], seconds: float, stdin: IO[bytes] | None = None) -> str | Missing:
        """Its standard output, or how it failed."""
        with tempfile.TemporaryFile() as complaints, tempfile.TemporaryFile() as output:
            process = self._popen(arguments, stdin, output, complaints)
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return Missing(f"not done after {seconds:g} s")
            finally:
                _end(process)
            if status != 0:
                complaints.seek(0)
                return Missing(f"failed: {last_line(complaints.read().decode(errors='replace'))}")
            output.seek(0)
            return output.read().decode()

    def begin(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Starts it, its standard output a pipe; what it complains of is lost with it."""
        return self._popen(arguments, None, subprocess.PIPE, subprocess.DEVNULL)

    def _popen(
        self, arguments: Sequence[str], stdin: IO[bytes] | None, stdout: IO[bytes] | int, stderr: IO[bytes] | int
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self.words, *arguments],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=stderr,
            env={"PATH": os.environ.get("PATH", os.defpath), **self.environment},
            start_new_session=True,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With whatever it has started: a peer's pool of processes would outlive it and eat of the next one's cores."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def _command(installation: Installation, peer: Peer) -> _Command | Missing:
    match peer.language:
        case Language.PYTHON:
            python, version = installation.python, installation.python_version
            if version < peer.oldest_python:
                wanted, have = (".".join(map(str, numbers)) for numbers in (peer.oldest_python, version))
                return Missing(f"needs Python {wanted}, this is {have}")
            if isinstance(python, Missing):
                return python
            module = f"{__package__}.programs.{peer.program}"
            return _Command((str(python), "-m", module), {"PYTHONPATH": str(_ROOT), **peer.environment})
        case Language.NODE:
            folder = installation.npm_folder
            if isinstance(folder, Missing):
                return folder
            program = str(_HERE / "programs" / f"{peer.program}.mjs")
            return _Command(("node", program), {"PEERS_NPM": str(folder), **peer.environment})
        case _:
            assert_never(peer.language)
