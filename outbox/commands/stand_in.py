"""Sending where no daemon does: from the moment that none does, to the end of the command."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from outbox.assembly import Engine
from outbox.store.readings import Readings

Sending = Callable[[Engine], AbstractAsyncContextManager[None]]
"""Sends for a block, as a daemon would."""

LOOK_SECONDS = 5.0
"""Between looks whether a daemon still runs."""


class StandIn:
    """Made by :func:`stand_in`."""

    def __init__(self, engine: Engine, sending: Sending, stack: AsyncExitStack) -> None:
        self._engine = engine
        self._sending = sending
        self._stack = stack
        self._readings = Readings(engine.database)
        self._sends = False
        self._next_look = engine.clock.monotonic()

    async def check(self) -> None:
        """To be called now and then: a daemon that was there may have gone, and nobody else would send."""
        now = self._engine.clock.monotonic()
        if self._sends or now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        if not await self._readings.a_daemon_runs():
            self._sends = True
            await self._stack.enter_async_context(self._sending(self._engine))


@asynccontextmanager
async def stand_in(engine: Engine, sending: Sending) -> AsyncIterator[StandIn]:
    """For the block. What is held at its end is finished or given back."""
    async with AsyncExitStack() as stack:
        yield StandIn(engine, sending, stack)
