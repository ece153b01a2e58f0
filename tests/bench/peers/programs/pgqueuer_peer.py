"""pgqueuer, on psycopg or asyncpg (``PGQUEUER_DRIVER``).

Chosen, from its guide on performance and its own benchmark: one connection as its drivers take it, uvloop as its own
command runs on, 500 jobs fetched at once. ``max_concurrent_tasks`` stays unset and a semaphore in the handler keeps the
concurrency: with the cap its fetching loop sleeps whenever the cap is reached (10,900 in place of 16,700 jobs a second
with nothing to do, 1,280 in place of 1,530 with the API). Finished jobs go to its log table by the batch, and it has no
other way.

On psycopg it listens on the connection that it queries with, and each wait for a notification holds that connection's
lock for up to a second. With nothing to do that is rarely met; with handlers that take time, and for single jobs in an
idle system, nearly every statement waits for it. The batch of 500 softens the first.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from pgqueuer import PgQueuer
from pgqueuer.adapters.connections import connect_asyncpg, connect_psycopg
from pgqueuer.queries import Queries

from tests.bench.peers.programs.harness import Gauge, Handle, Send, main

BATCH = 500
FILL = 1000


class Pgqueuer:
    """See the module."""

    left = "SELECT count(*) FROM pgqueuer"

    def __init__(self, driver: str) -> None:
        self._driver = driver

    async def fill(self, dsn: str, jobs: int) -> None:
        """See :class:`Peer`."""
        async with self._connection(dsn) as connection:
            queries = self._queries(connection)
            await queries.install()
            for first in range(0, jobs, FILL):
                numbers = range(first, min(first + FILL, jobs))
                await queries.enqueue(
                    ["handle"] * len(numbers), [str(number).encode() for number in numbers], [0] * len(numbers)
                )

    async def work(self, dsn: str, handle: Handle, concurrency: int, gauge: Gauge) -> None:
        """See :class:`Peer`."""
        gate = asyncio.Semaphore(concurrency)

        async def run(job: Any) -> None:
            async with gate:
                await handle(int(job.payload))

        async with self._connection(dsn) as connection:
            queuer = PgQueuer(self._queries(connection).driver)
            queuer.entrypoint("handle")(run)
            worker = asyncio.create_task(queuer.run(batch_size=BATCH))
            over = asyncio.create_task(gauge.over.wait())
            await asyncio.wait({worker, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            queuer.shutdown.set()
            await worker

    @asynccontextmanager
    async def sender(self, dsn: str) -> AsyncIterator[Send]:
        """See :class:`Peer`."""
        async with self._connection(dsn) as connection:
            queries = self._queries(connection)
            yield lambda number: queries.enqueue("handle", str(number).encode())

    def _connection(self, dsn: str) -> Any:
        return connect_asyncpg(dsn) if self._driver == "asyncpg" else connect_psycopg(dsn)

    def _queries(self, connection: Any) -> Any:
        if self._driver == "asyncpg":
            return Queries.from_asyncpg_connection(connection)
        return Queries.from_psycopg_connection(connection)


if __name__ == "__main__":
    main(Pgqueuer(os.environ.get("PGQUEUER_DRIVER", "psycopg")), uvloop.run)
