"""The real daemon as a process of its own, and conditions to wait for."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread

from outbox.simulator import RunningSimulator
from tests.host import databases
from tests.migration.migrated import DAEMON

ROOT = Path(__file__).parents[2]

QUICK = {
    "ZOHO_REQUESTS_PER_MINUTE": "0",
    "ZOHO_DAILY_REQUEST_LIMIT": "0",
    "ZOHO_MAX_CONCURRENCY": "8",
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "2",
    "OUTBOX_LEASE_SECONDS": "4",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "2",
    "OUTBOX_RETRY_BASE_SECONDS": "1",
    "OUTBOX_RETRY_MAX_SECONDS": "2",
    "OUTBOX_POLL_SECONDS": "2",
    "OUTBOX_HTTP_LISTEN": "",
    "LOG_FORMAT": "json",
}
"""Short spans, so that a test need not be long: a lease outlives a request, a recheck is no shorter than one."""


async def until(condition: Callable[[], object], *, seconds: float = 60.0, what: str = "") -> None:
    """Waits until the condition holds. Raises ``TimeoutError``, naming ``what``, after ``seconds``."""
    try:
        with anyio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 - the condition is a question to a database
                await anyio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"after {seconds:g} s still not: {what or 'the condition'}") from None


def environment(database: databases.Database, zoho: RunningSimulator, **changes: str) -> dict[str, str]:
    """Settings of a daemon on this database, with this Zoho."""
    return {"DATABASE_URL": database.dsn(DAEMON), **zoho.environment, **QUICK, **changes}


class DaemonProcess:
    """``zoho-outbox run``."""

    def __init__(self, environ: Mapping[str, str], output: Path) -> None:
        self._output = output
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        with output.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from daemon.command_line import main; main()", "run"],
                cwd=ROOT,
                env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All it has written so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Its log so far, or the events of one name."""
        lines: list[dict[str, Any]] = []
        for line in self.output.splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line))
        return [line for line in lines if name is None or line.get("event") == name]

    async def says(self, name: str, *, seconds: float = 60.0) -> None:
        """Waits for an event."""
        await until(lambda: self.events(name) or not self.alive, seconds=seconds, what=f"{name} in:\n{self.output}")
        assert self.events(name), self.output

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    async def ends(self, *, seconds: float = 40.0) -> int:
        """Waits for its end; returns the exit status."""
        await until(lambda: not self.alive, seconds=seconds, what=f"its end:\n{self.output}")
        return self._process.wait()


StartDaemon = Callable[..., DaemonProcess]


@contextlib.contextmanager
def daemons(folder: Path) -> Iterator[Callable[[Mapping[str, str]], DaemonProcess]]:
    """Starts as many as a test needs, and leaves none behind."""
    with contextlib.ExitStack() as stack:
        count = 0

        def start(environ: Mapping[str, str]) -> DaemonProcess:
            nonlocal count
            count += 1
            return stack.enter_context(DaemonProcess(environ, folder / f"daemon-{count}.log"))

        yield start
