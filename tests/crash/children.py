"""Child processes, and a guard that ends them where we could not."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_GUARD = r"""
trap '' INT TERM HUP
pids=' '
while read -r sign pid; do
    case $sign in
        +) pids="$pids$pid " ;;
        -) pids="${pids%% "$pid" *} ${pids#* "$pid" }" ;;
    esac
done
for pid in $pids; do kill -s KILL "$pid" 2>/dev/null; done
"""
"""Is told who was started (+) and who has ended (-). Its input ends when we do, however that happens."""

_GONE_SECONDS = 30.0


class Guard:
    """Ends what is left of the children when this process dies without ending them itself, by SIGKILL for example."""

    def __init__(self) -> None:
        self._shell: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "zoho-outbox-crash-guard"],
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
        if self._shell is not None:
            self._shell.communicate()

    def started(self, pid: int) -> None:
        """That process is ours."""
        self._tell(f"+ {pid}\n")

    def ended(self, pid: int) -> None:
        """Its number may be somebody else's from now on."""
        self._tell(f"- {pid}\n")

    def _tell(self, line: str) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            self._shell.stdin.write(line.encode("ascii"))
            self._shell.stdin.flush()


class Child:
    """A process in a session of its own: Ctrl-C reaches us alone, and we decide the order of the end."""

    def __init__(self, process: asyncio.subprocess.Process, guard: Guard) -> None:
        self._process = process
        self._guard = guard

    @classmethod
    async def start(
        cls, guard: Guard, command: Sequence[str], environment: Mapping[str, str], log_path: Path
    ) -> "Child":
        """Starts ``command`` with exactly this environment; what it writes is appended to ``log_path``."""
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environment),
                start_new_session=True,
            )
        guard.started(process.pid)
        return cls(process, guard)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.returncode

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self, seconds: float = _GONE_SECONDS) -> int:
        """Its exit status. Raises TimeoutError after ``seconds``."""
        async with asyncio.timeout(seconds):
            status = await self._process.wait()
        self._guard.ended(self._process.pid)
        return status

    async def kill(self) -> None:
        """SIGKILL, also to one that is stopped; returns when it is gone."""
        if self._process.returncode is None:
            self.send(signal.SIGKILL)
            await self.wait()
