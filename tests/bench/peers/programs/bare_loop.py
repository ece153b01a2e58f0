"""No peer: the HTTP client alone, so many workers as requests may be in flight. The ceiling of every Python peer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bench.peers.programs.harness import Gauge, Handle, Send, main


class BareLoop:
    """See the module."""

    left = "SELECT 0::bigint"

    async def fill(self, dsn: str, jobs: int) -> None:
        """There is nothing to fill."""

    async def work(self, dsn: str, handle: Handle, concurrency: int, gauge: Gauge) -> None:
        """See :class:`Peer`."""
        numbers = iter(range(gauge.jobs))

        async def one_after_the_other() -> None:
            for number in numbers:
                await handle(number)

        await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
        await gauge.over.wait()

    @asynccontextmanager
    async def sender(self, dsn: str) -> AsyncIterator[Send]:
        """There is nothing to send to."""
        raise NotImplementedError
        yield


if __name__ == "__main__":
    main(BareLoop())
