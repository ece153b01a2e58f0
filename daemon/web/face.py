"""The web application as a part of the daemon: from the first second, whether there is a database yet or not."""

from collections.abc import Mapping

import anyio

from daemon.dispatcher import Dispatcher
from daemon.listener import Listener
from daemon.meter import Meter
from daemon.supervision import Supervisor
from daemon.web.connections import PROBE_SECONDS, WebDatabase
from daemon.web.context import Context
from daemon.web.server import NAME, WebServer
from daemon.web.standing import COUNTING_SECONDS, Standing
from outbox.settings import ListenAddress, Settings
from outbox.store.organisation import OrganisationStore


class Face:
    """Serves, and knows how the process is doing (:class:`daemon.web.context.Liveness`)."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._settings = settings
        self.supervisor = supervisor
        """Of all loops of the process."""
        self._dispatcher: Dispatcher | None = None
        self._listener: Listener | None = None
        self.meter = Meter()

    def begun(self, dispatcher: Dispatcher, listener: Listener) -> None:
        """Database and installation are fit; the loops start."""
        self._dispatcher, self._listener = dispatcher, listener

    @property
    def started(self) -> bool:
        """Whether it got so far."""
        return self._dispatcher is not None

    @property
    def stalled(self) -> list[str]:
        """Loops that have not moved for too long."""
        return self.supervisor.stalled

    @property
    def database_lost(self) -> bool:
        """Whether a loop's last word was that the database is away."""
        return self.supervisor.database_lost

    @property
    def listening(self) -> bool:
        """Whether the last notification to ourselves came back."""
        return self._listener is not None and self._listener.hears

    @property
    def draining(self) -> bool:
        """Whether it was told to stop."""
        return self._dispatcher is not None and self._dispatcher.draining

    @property
    def holds(self) -> int:
        """Entities in hand."""
        return 0 if self._dispatcher is None else self._dispatcher.holds

    @property
    def idle_seconds(self) -> Mapping[str, float]:
        """Seconds since each loop last moved."""
        return self.supervisor.idle_seconds

    async def serve(self) -> None:
        """Until cancelled; returns at once where OUTBOX_HTTP_LISTEN is empty."""
        listen = self._settings.outbox_http_listen
        if listen is not None:
            await self.supervisor.keep(NAME, lambda: self._serve_at(listen))

    async def _serve_at(self, listen: ListenAddress) -> None:
        # Here and not above: a daemon without pages need not load them, and one whose pages cannot be loaded goes on.
        from daemon.web.application import build  # noqa: PLC0415

        database = WebDatabase(self._settings.database_url)
        counting = WebDatabase(
            self._settings.database_url,
            application_name="zoho-outbox http counts",
            connections=1,
            statement_seconds=COUNTING_SECONDS,
        )
        probing = WebDatabase(
            self._settings.database_url,
            application_name="zoho-outbox http probes",
            connections=1,
            statement_seconds=PROBE_SECONDS,
        )
        standing = Standing(counting, self._settings, self.supervisor.clock)
        context = Context(
            settings=self._settings,
            clock=self.supervisor.clock,
            database=database,
            organisation=OrganisationStore(database, self._settings.zoho_time_zone),
            standing=standing,
            probing=probing,
            liveness=self,
            meter=self.meter,
        )
        try:
            await WebServer(build(context), listen, self.supervisor).run()
        finally:
            with anyio.move_on_after(1, shield=True):
                for opened in (counting, probing, database):
                    await opened.close()
                await standing.close()
