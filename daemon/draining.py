"""Sending by a command, for as long as it needs: the daemon's own loops, without its listener.

``backfill`` and ``retry-failed`` drain by themselves where no daemon runs. The dispatcher polls.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from daemon.dispatcher import Dispatcher
from daemon.loops import SendingLoops, goodbye
from daemon.supervision import Supervisor
from outbox.assembly import Engine
from outbox.store.installation import WrongDatabase


@asynccontextmanager
async def sending(engine: Engine) -> AsyncIterator[None]:
    """Sends what is due for the block. At its end, however it ends, what is held is finished or given back.

    Raises :class:`outbox.store.installation.WrongDatabase` where the database became another one.
    """
    supervisor = Supervisor(engine.clock)
    dispatcher = Dispatcher(engine, supervisor)
    loops = SendingLoops(engine, dispatcher, supervisor)
    async with anyio.create_task_group() as group:
        await loops.start(group, listening=lambda: False)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                dispatcher.drain()
                await loops.finish()
                await goodbye(engine)
            group.cancel_scope.cancel()
    if dispatcher.foreign is not None:
        raise WrongDatabase(dispatcher.foreign)
