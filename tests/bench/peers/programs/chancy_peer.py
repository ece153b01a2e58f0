"""chancy, with its asyncio executor.

Chosen, from its documentation of queues: the asyncio executor (the default is a pool of processes), eager polling
(look again whenever a job completes, in place of every 5 s), LISTEN as by default, no log of each job. Of its default
plugins those that a queue needs (leader, pruner, recovery of dead workers' jobs); without its metrics and workflows it
settled 3,900 in place of 2,550 jobs a second. It fetches as many as there is room for and writes what is finished once
a second, up to 1,000 in a batch; so that the last second is no idle one, its documented ``flush()`` is called when the
last handler has ended.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chancy import Chancy, Job, Queue, Worker
from chancy.plugins.leadership import Leadership
from chancy.plugins.pruner import Pruner
from chancy.plugins.recovery import Recovery

from tests.bench.peers.programs.harness import Gauge, Handle, Send, main

QUEUE = "default"
"""Every worker declares this one where nobody did, with a pool of processes, whose start the drain would pay for."""

BATCH = 1000
_BOUND: list[Handle] = []
"""chancy finds a job's function by its name in a module, so what it is to do must stand in the module."""


async def handle(number: int) -> None:
    """The job's function."""
    await _BOUND[0](number)


class ChancyPeer:
    """See the module."""

    left = "SELECT count(*) FROM chancy_jobs WHERE state NOT IN ('succeeded', 'failed')"

    async def fill(self, dsn: str, jobs: int) -> None:
        """See :class:`Peer`."""
        async with _app(dsn) as app:
            await app.migrate()
            async for _ in app.push_many([_job(number) for number in range(jobs)], batch_size=BATCH):
                pass

    async def work(self, dsn: str, handle: Handle, concurrency: int, gauge: Gauge) -> None:
        """See :class:`Peer`."""
        _BOUND[:] = [handle]
        async with _app(dsn) as app:
            await app.declare(
                Queue(name=QUEUE, concurrency=concurrency, executor=Chancy.Executor.Async, eager_polling=True),
                upsert=True,
            )
            async with Worker(app, register_signal_handlers=False) as worker:
                await gauge.handled.wait()
                await worker.flush()
                await gauge.over.wait()

    @asynccontextmanager
    async def sender(self, dsn: str) -> AsyncIterator[Send]:
        """See :class:`Peer`."""
        async with _app(dsn) as app:
            yield lambda number: app.push(_job(number))


def _app(dsn: str) -> Chancy:
    return Chancy(
        dsn,
        log=logging.getLogger("chancy"),
        no_default_plugins=True,
        plugins=[Leadership(), Pruner(), Recovery()],
    )


def _job(number: int) -> Job:
    return Job(func="__main__.handle", queue=QUEUE, kwargs={"number": number})


if __name__ == "__main__":
    main(ChancyPeer())
