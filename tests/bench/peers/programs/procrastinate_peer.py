"""procrastinate, on its psycopg connector.

Chosen: concurrency as asked; its default pool of 4 connections (10 and 20 were no faster); LISTEN as by default; jobs
are kept after success, which is the default. Its worker fetches one job a statement and finishes one a statement; there
is no option to batch either. Connections that commit by themselves, which would save it two round trips a statement,
its listener does not take.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from tests.bench.peers.programs.harness import Gauge, Handle, Send, main

BATCH = 1000


async def _unbound(number: int) -> None:
    raise NotImplementedError(number)


class Procrastinate:
    """See the module."""

    left = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"

    async def fill(self, dsn: str, jobs: int) -> None:
        """See :class:`Peer`."""
        app = _app(dsn)
        task = app.task(name="handle")(_unbound)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            for first in range(0, jobs, BATCH):
                numbers = range(first, min(first + BATCH, jobs))
                await task.batch_defer_async(*({"number": number} for number in numbers))

    async def work(self, dsn: str, handle: Handle, concurrency: int, gauge: Gauge) -> None:
        """See :class:`Peer`."""

        async def run(number: int) -> None:
            await handle(number)

        app = _app(dsn)
        app.task(name="handle")(run)
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(concurrency=concurrency, install_signal_handlers=False, wait=True)
            )
            over = asyncio.create_task(gauge.over.wait())
            await asyncio.wait({worker, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            # Its documented way to stop from code.
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker

    @asynccontextmanager
    async def sender(self, dsn: str) -> AsyncIterator[Send]:
        """See :class:`Peer`."""
        app = _app(dsn)
        task = app.task(name="handle")(_unbound)
        async with app.open_async():
            yield lambda number: task.defer_async(number=number)


def _app(dsn: str) -> App:
    return App(connector=PsycopgConnector(conninfo=dsn))


if __name__ == "__main__":
    main(Procrastinate())
