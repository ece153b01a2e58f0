"""The daemon as a child process, and a folder for its log, both gone however this process ends."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_FOLDER_PREFIX = "zoho-outbox-demo-"

_DRAIN_SECONDS = 45.0
"""More than the daemon gives itself: a request's time-out and 10 s for what follows."""

_GUARD = r"""
trap '' INT TERM HUP
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
    kill -s TERM "$pid" 2>/dev/null
    tries=100
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
    [ "$tries" -gt 0 ] || kill -s KILL "$pid" 2>/dev/null
fi
rm -rf -- "$1"
"""
"""Is told the daemon's process id while there is one; when we are gone, does what we could not."""


class DaemonProcess:
    """``command`` with exactly ``environment``, in a session of its own: Ctrl-C on the terminal reaches us alone.

    So the demo decides the order: the daemon drains first, while PostgreSQL and the simulator still answer.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
        self._folder = folder
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "zoho-outbox-demo-guard", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            if self._guard is not None:
                self._guard.communicate()

    @property
    def folder(self) -> Path:
        """For files that live as long as the demo; readable by its user alone."""
        if self._folder is None:
            raise RuntimeError("the folder exists inside the with block alone")
        return self._folder

    @property
    def log_path(self) -> Path:
        """What the daemon writes, one JSON object a line."""
        return self.folder / "daemon.log"

    @property
    def pid(self) -> int:
        """Its process id. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError("the daemon is not started")
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Of a daemon that has ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it; returns at once."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env=dict(environment),
            )
        self._tell_guard(str(self._process.pid))

    def stop(self) -> None:
        """SIGTERM, and wait until it has drained; SIGKILL where that takes too long or somebody is in a hurry."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_DRAIN_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()
        self._tell_guard("")

    def last_words(self, lines: int = 6) -> str:
        """The end of its log."""
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def keep_log(self) -> Path | None:
        """A copy of the log that outlives the demo, for whoever must find out what went wrong."""
        if not self.log_path.exists():
            return None
        handle, name = tempfile.mkstemp(prefix=_FOLDER_PREFIX, suffix=".log")
        os.close(handle)
        shutil.copyfile(self.log_path, name)
        return Path(name)

    def _tell_guard(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.write(f"{line}\n".encode("ascii"))
            self._guard.stdin.flush()
