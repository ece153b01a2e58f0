"""oban-py, on its pool of psycopg's. Needs Python 3.12.

Chosen, from its documentation: the queue's limit is the concurrency; the loop's debounce of 5 ms stays (with it, each
look takes what has become free and writes what has been finished); uvloop as its own command runs on; the pool that its
documentation makes, 10 connections. It tells its own workers of new jobs by NOTIFY.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from oban import Oban, worker
from oban.schema import install

from tests.bench.peers.programs.harness import Gauge, Handle, Send, main

QUEUE = "bench"
FILL = 1000
_BOUND: list[Handle] = []
"""oban finds a job's class by its name in a module, so what it is to do must stand in the module."""


class Bench:
    """The job's class."""

    async def process(self, job: Any) -> None:
        """oban's interface."""
        await _BOUND[0](job.args["number"])


_BENCH: Any = worker(queue=QUEUE)(Bench)


class ObanPeer:
    """See the module."""

    left = "SELECT count(*) FROM oban_jobs WHERE state <> 'completed'"

    async def fill(self, dsn: str, jobs: int) -> None:
        """See :class:`Peer`."""
        async with _pool(dsn) as pool:
            await install(pool)
            async with Oban(pool=pool) as oban:
                for first in range(0, jobs, FILL):
                    numbers = range(first, min(first + FILL, jobs))
                    await oban.enqueue_many([_BENCH.new({"number": number}) for number in numbers])

    async def work(self, dsn: str, handle: Handle, concurrency: int, gauge: Gauge) -> None:
        """See :class:`Peer`."""
        _BOUND[:] = [handle]
        async with _pool(dsn) as pool, Oban(pool=pool, queues={QUEUE: concurrency}):
            await gauge.over.wait()

    @asynccontextmanager
    async def sender(self, dsn: str) -> AsyncIterator[Send]:
        """See :class:`Peer`."""
        async with _pool(dsn) as pool, Oban(pool=pool) as oban:
            yield lambda number: oban.enqueue(_BENCH.new({"number": number}))


@asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[Any]:
    pool = await Oban.create_pool(dsn)
    try:
        yield pool
    finally:
        await pool.close()


if __name__ == "__main__":
    main(ObanPeer(), uvloop.run)
