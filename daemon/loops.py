"""The loops that send: claiming, settlement, heartbeat, maintenance; and how they end.

The daemon runs them (:mod:`daemon.process`), and a command where no daemon does (:mod:`daemon.draining`). A second way
of sending would drift from the first.
"""

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from daemon import dispatcher as dispatching
from daemon import maintenance
from daemon.dispatcher import Dispatcher, Workers
from daemon.supervision import Supervisor
from outbox.assembly import Engine
from outbox.database import DatabaseUnavailable

FINISH_MARGIN_SECONDS = 10.0
"""Beyond a request's time-out: for the replies' verdicts to be settled."""


class SendingLoops:
    """Those of one dispatcher. They run in the task group that they were started in, until it is cancelled."""

    def __init__(self, engine: Engine, dispatcher: Dispatcher, supervisor: Supervisor) -> None:
        self.claiming_ended = anyio.Event()
        """The dispatcher was told to drain, and claims nothing more."""
        self._engine = engine
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._workers = Workers()

    async def start(self, group: TaskGroup, *, listening: Callable[[], bool]) -> None:
        """Starts them in ``group``. ``listening``: whether notifications are heard, for the heartbeat to say."""
        engine, dispatcher, supervisor = self._engine, self._dispatcher, self._supervisor
        await group.start(self._workers.host)
        group.start_soon(supervisor.keep, dispatching.SETTLING, dispatcher.settle)
        group.start_soon(
            supervisor.keep,
            maintenance.HEARTBEAT,
            lambda: maintenance.keep_alive(engine, dispatcher, supervisor, listening),
        )
        group.start_soon(
            supervisor.keep, maintenance.MAINTENANCE, lambda: maintenance.maintain(engine, dispatcher, supervisor)
        )
        group.start_soon(self._claim)

    async def _claim(self) -> None:
        await self._supervisor.keep(dispatching.NAME, lambda: self._dispatcher.run(self._workers))
        self.claiming_ended.set()

    async def finish(self) -> None:
        """After a drain: waits for what is held, within the time of a request, and ends what is held then."""
        with anyio.move_on_after(self._engine.settings.zoho_request_timeout_seconds + FINISH_MARGIN_SECONDS):
            await self.claiming_ended.wait()
            await self._dispatcher.all_settled()
        self.end_requests()
        # Those that were ended have said what is to be settled.
        with anyio.CancelScope(shield=True), anyio.move_on_after(FINISH_MARGIN_SECONDS):
            await self._dispatcher.all_settled()

    def end_requests(self) -> None:
        """Ends the requests in flight; their fate is settled as unknown."""
        self._workers.cancel()


async def goodbye(engine: Engine) -> None:
    """Says that this process sends no more."""
    try:
        await engine.sessions.goodbye()
    except DatabaseUnavailable:
        return  # Its row is forgotten a day later.
