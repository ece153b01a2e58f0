"""Zoho behind a network: a process of its own that answers a drain of customers after a time.

In reality it stands on another machine, and here it takes from the same two cores as the daemon and PostgreSQL. So it
reads just as much HTTP as our clients write: 0.045 ms of CPU a request, where aiohttp's server took 0.11.
"""

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.bench.orphans import end_with_the_parent
from tests.bench.transport import JSON_TYPE, Answers, Counts

START_SECONDS = 20.0
LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class ApiServer:
    """One that listens."""

    url: str
    counts: Counts


@contextmanager
def api_server(directory: Path, delay_seconds: float) -> Iterator[ApiServer]:
    """A server whose answers take ``delay_seconds``, until the block ends. ``directory`` is its own, and empty."""
    directory.mkdir(parents=True, exist_ok=True)
    counts = Counts(directory / "counts")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.bench.api_server"),
            *(f"--directory={directory}", f"--delay-seconds={delay_seconds}"),
        ],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        stdin=subprocess.PIPE,
    )
    try:
        yield ApiServer(_url_of(process, directory), counts)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def _url_of(process: subprocess.Popen[bytes], directory: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not (directory / "url").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the API server did not start (status {process.poll()})")
        time.sleep(LOOK_SECONDS)
    return (directory / "url").read_text(encoding="ascii")


class _Conversation(asyncio.Protocol):
    """One connection. Its requests come one after the other, each with the length of its body in its head, or none."""

    def __init__(self, answers: Answers, delay_seconds: float) -> None:
        self._answers = answers
        self._delay = delay_seconds
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's interface."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio's interface."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            method, path = head.split(b" ", 2)[:2]
            self._loop.call_later(self._delay, self._answer, method.decode(), path.decode(), body)

    def _answer(self, method: str, path: str, body: bytes) -> None:
        status, said = self._answers.to(method, path, body)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(
                b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                % (status, HTTPStatus(status).phrase.encode(), JSON_TYPE.encode(), len(said), said)
            )


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


async def _serve(directory: Path, delay_seconds: float) -> None:
    answers = Answers(Counts(directory / "counts"), os.getpid())
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: _Conversation(answers, delay_seconds), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    written = directory / "url.part"
    written.write_text(f"http://{host}:{port}", encoding="ascii")
    written.rename(directory / "url")
    await stop.wait()
    server.close()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--delay-seconds", type=float, required=True)
    arguments = parser.parse_args()
    end_with_the_parent()
    asyncio.run(_serve(arguments.directory, arguments.delay_seconds))


if __name__ == "__main__":
    _main()
