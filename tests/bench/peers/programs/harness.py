"""What every Python peer's program shares: its commands, its handler, its clock, and the one JSON line that it prints.

``python -m tests.bench.peers.programs.<peer> COMMAND --dsn …`` with one of these commands:

- ``fill``: install the peer's tables and enqueue ``--jobs``, each with its number;
- ``drain``: work until ``--jobs`` of them are settled in the database, ``--concurrency`` at once; with ``--api`` the
  handler makes one POST there, without it does nothing. Prints the moments below;
- ``listen``: work, and print the number and the moment of each job as soon as its handler begins;
- ``send``: enqueue ``--samples`` jobs after pauses, each when the one before was handled (``listen``'s output is this
  one's input), no longer than ``--seconds``, and print how long each took.

Moments are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. Only what the peers' environment
has may be imported here: nothing of the project.
"""

import argparse
import asyncio
import json
import logging
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import httpx
import psycopg
from httpx_aiohttp import AiohttpTransport

WATCH_SECONDS = 0.005
"""Between two looks whether all is settled; they begin after the last handler, so the drain does not feel them."""

STOP_SECONDS = 10.0
ANSWER_SECONDS = 60.0
WARM_UP = 5
"""Samples that are thrown away: connections, prepared statements and LISTEN come into being with them."""

Handle = Callable[[int], Awaitable[None]]
Send = Callable[[int], Awaitable[object]]


@dataclass
class Gauge:
    """The moments of a drain."""

    jobs: int
    started: int = 0
    first: int = 0
    """The first handler began."""
    last: int = 0
    """The last handler ended; its job need not be settled yet."""
    settled: int = 0
    """No job was left in the database."""
    calls: int = 0
    numbers: set[int] = field(default_factory=set)
    handled: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """All is settled: the worker may stop."""

    def begun(self) -> None:
        """A handler begins."""
        self.calls += 1
        if not self.first:
            self.first = time.monotonic_ns()

    def ended(self, number: int) -> None:
        """A handler ends."""
        self.numbers.add(number)
        if len(self.numbers) == self.jobs and not self.last:
            self.last = time.monotonic_ns()
            self.handled.set()


class Peer(Protocol):
    """One peer, by its documented interface."""

    left: str
    """A query that counts the jobs that are not settled."""

    async def fill(self, dsn: str, jobs: int) -> None:
        """Installs the tables and enqueues jobs 0 to ``jobs`` - 1."""
        ...

    async def work(self, dsn: str, handle: Handle, concurrency: int, gauge: Gauge) -> None:
        """Works until ``gauge.over`` is set. ``gauge.handled`` is set before: buffers may be flushed then."""
        ...

    def sender(self, dsn: str) -> AbstractAsyncContextManager[Send]:
        """What enqueues one job and commits it."""
        ...


def main(peer: Peer, run: Callable[[Any], None] = asyncio.run) -> None:
    """Entry point of a program. ``run`` is the event loop that the peer's own command takes."""
    # Each peer's log would cost it a line a job.
    logging.disable(logging.INFO)
    arguments = _parser().parse_args()
    match arguments.command:
        case "fill":
            run(peer.fill(arguments.dsn, arguments.jobs))
        case "drain":
            run(_drain(peer, arguments))
        case "listen":
            run(_listen(peer, arguments))
        case "send":
            run(_send(peer, arguments))
        case other:
            raise ValueError(f"no command {other}")


@asynccontextmanager
async def open_http(concurrency: int) -> AsyncIterator[httpx.AsyncClient]:
    """The client that the project itself uses (outbox/zoho/connection.py), for plain HTTP."""

    class Transport(AiohttpTransport):
        def get_client(self) -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=concurrency + 1, keepalive_timeout=15.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )

    async with httpx.AsyncClient(transport=Transport(), trust_env=False, timeout=30.0) as client:
        yield client


@asynccontextmanager
async def handler(gauge: Gauge, api: str | None, concurrency: int) -> AsyncIterator[Handle]:
    """What each job does: nothing, or one POST."""

    async def nothing(number: int) -> None:
        gauge.begun()
        gauge.ended(number)

    if api is None:
        yield nothing
        return

    async with open_http(concurrency) as client:

        async def post(number: int) -> None:
            gauge.begun()
            response = await client.post(api, json=_customer(number))
            response.raise_for_status()
            response.json()
            gauge.ended(number)

        yield post


def _customer(number: int) -> dict[str, str]:
    """The request that the daemon makes for a new customer of its own drain."""
    return {
        "display_name": f"Anna Meadow [CT-{number}]",
        "currency_code": "ZAR",
        "first_name": "Anna",
        "last_name": "Meadow",
        "phone": "+27 21 555 0101",
        "email": f"{number}@example.com",
    }


async def _drain(peer: Peer, arguments: argparse.Namespace) -> None:
    gauge = Gauge(arguments.jobs)
    async with handler(gauge, arguments.api, arguments.concurrency) as handle:
        before = _cpu_seconds()
        gauge.started = time.monotonic_ns()
        watch = asyncio.create_task(_watch(peer, arguments.dsn, gauge))
        await _work_beside(watch, peer.work(arguments.dsn, handle, arguments.concurrency, gauge), gauge)
    _say(
        {
            "jobs": gauge.jobs,
            "calls": gauge.calls,
            "started": gauge.started,
            "first": gauge.first,
            "last": gauge.last,
            "settled": gauge.settled,
            "cpu_seconds": _cpu_seconds() - before,
        }
    )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _watch(peer: Peer, dsn: str, gauge: Gauge) -> None:
    await gauge.handled.wait()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            row = await (await connection.execute(peer.left.encode())).fetchone()
            if row == (0,):
                gauge.settled = time.monotonic_ns()
                return
            await asyncio.sleep(WATCH_SECONDS)


async def _work_beside(watch: "asyncio.Task[None]", working: Awaitable[None], gauge: Gauge) -> None:
    worker = asyncio.ensure_future(working)
    await asyncio.wait({worker, watch}, return_when=asyncio.FIRST_COMPLETED)
    if worker.done():
        watch.cancel()
        await worker
        raise RuntimeError("the worker ended by itself, before all jobs were settled")
    await watch
    gauge.over.set()
    _, late = await asyncio.wait({worker}, timeout=STOP_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(worker, return_exceptions=bool(late))


async def _listen(peer: Peer, arguments: argparse.Namespace) -> None:
    async def note(number: int) -> None:
        at = time.monotonic_ns()
        _say({"number": number, "at": at})

    # Nobody counts: it works until it is ended from outside.
    await peer.work(arguments.dsn, note, arguments.concurrency, Gauge(jobs=-1))


async def _send(peer: Peer, arguments: argparse.Namespace) -> None:
    handled = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(handled), sys.stdin)
    latencies: list[tuple[int, int]] = []
    end = time.monotonic() + arguments.seconds
    async with peer.sender(arguments.dsn) as send:
        for number in range(WARM_UP + arguments.samples):
            await asyncio.sleep(random.uniform(arguments.shortest_pause, arguments.longest_pause))
            before = time.monotonic_ns()
            await send(number)
            after = time.monotonic_ns()
            at = await asyncio.wait_for(_moment_of(number, handled), ANSWER_SECONDS)
            if number >= WARM_UP:
                latencies.append((at - before, at - after))
                if time.monotonic() > end:
                    break
    _say({"from_call": [pair[0] for pair in latencies], "from_commit": [pair[1] for pair in latencies]})


async def _moment_of(number: int, handled: asyncio.StreamReader) -> int:
    while True:
        line = await handled.readline()
        if not line:
            raise RuntimeError("the worker ended")
        told = json.loads(line)
        if told["number"] == number:
            return int(told["at"])


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["fill", "drain", "listen", "send"])
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--api")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--shortest-pause", type=float, default=0.02, help="seconds")
    parser.add_argument("--longest-pause", type=float, default=0.12, help="seconds")
    return parser
