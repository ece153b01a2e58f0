"""A demo in a process of its own, with a folder for temporary files that shows what it left."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import outbox

SOURCE = Path(outbox.__file__).parent.parent

SEARCH_PATH = os.pathsep.join(
    [str(SOURCE), *dict.fromkeys(str(Path(path)) for path in sys.path if path.endswith("site-packages"))]
)
"""Also another Python than the running one finds our libraries here."""

DEMO = """
import sys
from daemon.demonstration import demo
sys.exit(demo(exit_when_done="--exit" in sys.argv, real_limits="--real-limits" in sys.argv))
"""

PATIENCE_SECONDS = 100.0


def wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what()}"
        time.sleep(0.02)


@dataclass
class RunningDemo:
    process: subprocess.Popen[str]
    folder: Path
    """Its TMPDIR: everything it makes is below."""

    def read_until(self, text: str) -> list[str]:
        """Lines up to the first that holds ``text``."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if text in line:
                return lines
        raise AssertionError(f"{text!r} never came; it said:\n{''.join(lines)}\n{self.process.communicate()[1]}")

    def end(self, number: signal.Signals | None = None, *, patience: float = PATIENCE_SECONDS) -> tuple[int, str, str]:
        """Exit status, the rest of the output, and the errors."""
        if number is not None:
            self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=patience)
        return self.process.returncode, output, errors

    def processes(self) -> list[str]:
        """Command lines of processes that know the folder; the demo's own apart."""
        mark = os.fsencode(self.folder)
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == self.process.pid:
                continue
            try:
                command = (entry / "cmdline").read_bytes()
                known = command + (entry / "environ").read_bytes()
            except OSError:  # ended meanwhile, or not ours to see
                continue
            if mark in known:
                found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')[:120]}")
        return found

    def leftovers(self) -> list[str]:
        return [*self.processes(), *map(str, self.folder.iterdir())]

    def assert_nothing_left(self) -> None:
        """At once: the demo has waited for its parts before it ended."""
        assert self.leftovers() == []


@contextmanager
def running_demo(
    *arguments: str, script: str = DEMO, python: str = sys.executable, user: int | None = None
) -> Iterator[RunningDemo]:
    """Start it; its process is killed at the end of the block where it still runs."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        process = subprocess.Popen(
            [python, "-c", script, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": SEARCH_PATH,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUTF8": "1",
                "TMPDIR": name,
            },
            cwd="/",
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        demo = RunningDemo(process, folder)
        try:
            yield demo
        finally:
            process.kill()
            process.communicate()
            wait_until(lambda: not demo.leftovers() or _only_logs(demo), lambda: f"gone: {demo.leftovers()}")


def _only_logs(demo: RunningDemo) -> bool:
    return not demo.processes() and all(path.suffix == ".log" for path in demo.folder.iterdir())
