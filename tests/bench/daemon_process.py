"""The real ``zoho-outbox run`` as a process of its own, whose Zoho may stand in the same process.

As a program (``python -m tests.bench.daemon_process``) it is the child: it replaces the transport below the HTTP client
that the daemon opens, and nothing else. :func:`bench_daemon` starts it.
"""

import argparse
import cProfile
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from tests.bench.orphans import end_with_the_parent
from tests.bench.statement_names import statement_name
from tests.bench.transport import NOWHERE, Answers, Counts, InProcessTransport, settings_for
from tests.host.databases import Database
from tests.migration.migrated import DAEMON

_Step = tuple[str, float, float]

READY_SECONDS = 30.0
END_SECONDS = 60.0
LOOK_SECONDS = 0.005


class DaemonFailedError(RuntimeError):
    """The daemon ended by itself, or did not end or begin in time. The text ends with what it wrote to stderr."""


@dataclass
class BenchDaemon:
    """A daemon that runs."""

    process: subprocess.Popen[bytes]
    directory: Path
    counts: Counts
    told: dict[str, Any] = field(default_factory=dict)
    """After its end, where they were asked for: ``moments``, when each create left; ``steps``, what it did meanwhile,
    as name, begin and end."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def wait_until_ready(self) -> None:
        """Until Zoho has said that the organisation is ours: from here on it claims.

        Raises :class:`DaemonFailedError`.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not _ready(self.directory).exists():
            self.check()
            if time.monotonic() > deadline:
                raise DaemonFailedError(f"the daemon was not ready after {READY_SECONDS:g} s: {self._said()}")
            time.sleep(LOOK_SECONDS)

    def check(self) -> None:
        """Raises :class:`DaemonFailedError` where it has ended."""
        if self.process.poll() is not None:
            raise DaemonFailedError(f"the daemon ended with status {self.process.returncode}: {self._said()}")

    def end(self) -> None:
        """SIGTERM, and reads what it tells at its end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise DaemonFailedError(f"the daemon did not end within {END_SECONDS:g} s: {self._said()}") from None
        if self.process.stdin is not None:
            self.process.stdin.close()
        if _told(self.directory).exists():
            self.told = json.loads(_told(self.directory).read_text(encoding="utf-8"))

    def _said(self) -> str:
        return (self.directory / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:].strip()


@contextmanager
def bench_daemon(
    database: Database,
    directory: Path,
    *,
    api_url: str | None = None,
    delay_seconds: float = 0.0,
    profile: Path | None = None,
    moments: bool = False,
    steps: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Iterator[BenchDaemon]:
    """A daemon without quota, without a web face, that logs to nowhere; it ends with the block.

    ``directory`` is its own, and empty. ``api_url`` is a server's; None: Zoho is in its process and answers after
    ``delay_seconds``. ``profile`` receives a profile by CPU time. ``steps`` are its waking and its statements.
    """
    directory.mkdir(parents=True, exist_ok=True)
    counts = Counts(directory / "counts")
    options = [f"--directory={directory}"]
    if api_url is None:
        options.append(f"--delay-seconds={delay_seconds}")
    if profile is not None:
        options.append(f"--profile={profile}")
    if moments:
        options.append("--moments")
    if steps:
        options.append("--steps")
    with (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.daemon_process", *options],
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "DATABASE_URL": database.dsn(DAEMON),
                "ZOHO_REQUESTS_PER_MINUTE": "0",
                "ZOHO_DAILY_REQUEST_LIMIT": "0",
                "OUTBOX_HTTP_LISTEN": "",
                "LOG_FORMAT": "json",
                **settings_for(api_url or NOWHERE),
                **(settings or {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    daemon = BenchDaemon(process, directory, counts)
    try:
        yield daemon
    finally:
        daemon.end()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process that still runs, and of its children that ended (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _ready(directory: Path) -> Path:
    return directory / "ready"


def _told(directory: Path) -> Path:
    return directory / "told.json"


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--delay-seconds", type=float)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--moments", action="store_true")
    parser.add_argument("--steps", action="store_true")
    arguments = parser.parse_args()
    moments: list[float] | None = [] if arguments.moments else None
    end_with_the_parent()
    with ExitStack() as stack:
        steps: list[_Step] = []
        stack.callback(_tell, arguments.directory, moments, steps)
        if arguments.steps:
            stack.enter_context(_collecting(steps))
        if arguments.delay_seconds is not None:
            answers = Answers(Counts(arguments.directory / "counts"), os.getpid())
            transport = InProcessTransport(answers, delay_seconds=arguments.delay_seconds, moments=moments)
            # Below open_http, so that the client is the daemon's own in all else.
            stack.enter_context(patch("outbox.zoho.connection._transport", lambda *_: transport))
        stack.enter_context(_saying_when_verified(arguments.directory))
        _run(arguments.profile)


def _run(profile_to: Path | None) -> None:
    from daemon.command_line import main  # noqa: PLC0415 - what it imports is replaced first

    sys.argv = ["zoho-outbox", "run"]
    if profile_to is None:
        main()
    # By CPU time: waiting is no work, and what waits is told by the statements.
    profile = cProfile.Profile(time.process_time)
    try:
        profile.runcall(main)
    finally:
        profile.dump_stats(profile_to)


@contextmanager
def _saying_when_verified(directory: Path) -> Iterator[None]:
    from outbox.zoho.organisations import verify_organisation  # noqa: PLC0415

    async def verify(*arguments: Any, **options: Any) -> Any:
        organisation = await verify_organisation(*arguments, **options)
        _ready(directory).touch()
        return organisation

    with patch("daemon.gate.verify_organisation", verify):
        yield


@contextmanager
def _collecting(steps: list[_Step]) -> Iterator[None]:
    """Each statement below everything of ours, and each ring that the dispatcher hears."""
    from daemon.dispatcher import Dispatcher  # noqa: PLC0415

    execute, wake = psycopg.AsyncCursor.execute, Dispatcher.wake

    async def timed(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        began = time.monotonic()
        result = await execute(cursor, query, *arguments, **options)
        steps.append((_first_words(query), began, time.monotonic()))
        return result

    def woken(dispatcher: Dispatcher) -> None:
        now = time.monotonic()
        steps.append(("the dispatcher is woken", now, now))
        wake(dispatcher)

    with patch.object(psycopg.AsyncCursor, "execute", timed), patch.object(Dispatcher, "wake", woken):
        yield


def _first_words(query: Any) -> str:
    text = query if isinstance(query, str) else query.as_string(None) if hasattr(query, "as_string") else str(query)
    return statement_name(text)


def _tell(directory: Path, moments: list[float] | None, steps: list[_Step]) -> None:
    if moments is not None:
        told = {"moments": moments, "steps": steps}
        _told(directory).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    _main()
