"""Sending by a command, for as long as it needs: the daemon's own loops, without its listener.

``backfill`` and ``retry-failed`` drain by themselves where no daemon runs. A second way of sending would drift from the
first; so these are the same dispatcher, settlement, heartbeat and maintenance, polling.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from daemon import dispatcher as dispatching
from daemon import maintenance
from daemon.dispatcher import Dispatcher, Workers
from daemon.supervision import Supervisor
from outbox.assembly import Engine
from outbox.database import DatabaseUnavailable
from outbox.store.installation import WrongDatabase

FINISH_MARGIN_SECONDS = 10.0
"""Beyond a request's time-out: for the replies' verdicts to be settled."""


@asynccontextmanager
async def sending(engine: Engine) -> AsyncIterator[None]:
    """Sends what is due for the block. At its end, however it ends, what is held is finished or given back.

    Raises :class:`outbox.store.installation.WrongDatabase` where the database became another one.
    """
    supervisor = Supervisor(engine.clock)
    dispatcher = Dispatcher(engine, supervisor)
    workers = Workers()
    stopped = anyio.Event()

    async def dispatch() -> None:
        await supervisor.keep(dispatching.NAME, lambda: dispatcher.run(workers))
        stopped.set()

    async with anyio.create_task_group() as loops:
        await loops.start(workers.host)
        loops.start_soon(supervisor.keep, dispatching.SETTLING, dispatcher.settle)
        loops.start_soon(
            supervisor.keep,
            maintenance.HEARTBEAT,
            lambda: maintenance.keep_alive(engine, dispatcher, supervisor, lambda: False),
        )
        loops.start_soon(
            supervisor.keep, maintenance.MAINTENANCE, lambda: maintenance.maintain(engine, dispatcher, supervisor)
        )
        loops.start_soon(dispatch)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                dispatcher.drain()
                await _finish(engine, dispatcher, workers, stopped)
            loops.cancel_scope.cancel()
    if dispatcher.foreign is not None:
        raise WrongDatabase(dispatcher.foreign)


async def _finish(engine: Engine, dispatcher: Dispatcher, workers: Workers, stopped: anyio.Event) -> None:
    with anyio.move_on_after(engine.settings.zoho_request_timeout_seconds + FINISH_MARGIN_SECONDS):
        await stopped.wait()
        await dispatcher.all_settled()
    workers.cancel()
    with anyio.move_on_after(FINISH_MARGIN_SECONDS):
        await dispatcher.all_settled()
    try:
        await engine.sessions.goodbye()
    except DatabaseUnavailable:
        return  # Its row is forgotten a day later.
