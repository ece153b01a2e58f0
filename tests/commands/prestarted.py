"""Commands without the wait for their imports: a process that has imported everything forks one for each command.

A start costs 0.7 s of processor time, all of it imports, and the commands' tests make hundreds. What runs is the same:
a process of its own with its own environment, standard streams and exit status, through the entry point of the console
script. Tests that send signals, measure a start or break a pipe use a fresh interpreter.
"""

import gc
import importlib
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import simplejson

ROOT = Path(__file__).parents[2]
MOST_BYTES = 1_000_000


class Prestarted:
    """The forking process, seen from the tests."""

    def __init__(self, address: Path) -> None:
        self._address = str(address)

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Exit status, standard output and standard error of one command, whose standard input is empty."""
        # Files in memory rather than pipes: nobody has to read while the command writes.
        out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.connect(self._address)
                asked = simplejson.dumps({"words": list(words), "environment": dict(environment)}).encode()
                socket.send_fds(connection, [asked], [out, err])
                status = connection.recv(16)
            if not status:
                raise ChildProcessError("the process that starts commands is gone")
            return int(status), _content(out), _content(err)
        finally:
            os.close(out)
            os.close(err)


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


@contextmanager
def prestarted(folder: Path) -> Iterator[Prestarted]:
    """Starts the forking process; it ends with this one, however this one ends."""
    address = folder / "commands.sock"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.commands.prestarted", str(address)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise ChildProcessError("the process that starts commands did not start")
            yield Prestarted(address)
        finally:
            process.kill()


def _import_everything() -> None:
    for package in ("outbox", "daemon"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def _serve(listening: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in readable:
            return
        connection, _ = listening.accept()
        with connection:
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _attend(connection)


def _attend(connection: socket.socket) -> None:
    """Runs what is asked for in a child, and says how that ended."""
    asked, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 2)
    request = simplejson.loads(asked)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(request["words"], request["environment"], *descriptors)
    _, status = os.waitpid(child, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(words: list[str], environment: dict[str, str], out: int, err: int) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    sys.stdin = os.fdopen(0, "r")
    sys.stdout = os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1)
    sys.argv = ["zoho-outbox", *words]
    status = 1
    try:
        importlib.import_module("daemon.command_line").main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        gc.collect()  # What was not closed says so now, as at the end of an interpreter.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _main(address: str) -> None:
    _import_everything()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(16)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        _serve(listening)


if __name__ == "__main__":
    _main(sys.argv[1])
