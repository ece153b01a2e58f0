"""``zoho-outbox run``: from start-up to drain.

Start-up waits for an absent database. It refuses, with exit status 2 and one line that says what to do, where starting
again would not help: a database that is not migrated, not the one that was installed, or too new.

SIGTERM and SIGINT drain: nothing more is claimed, requests in flight end, everything else is given back with its
attempt, exit status 0. A second signal ends requests in flight too; their fate is settled as unknown, or left to the
lease's end.
"""

import asyncio
import faulthandler
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import psycopg
import structlog

from daemon import dispatcher as dispatching
from daemon import maintenance
from daemon.dispatcher import Dispatcher
from daemon.listener import NAME as LISTENER
from daemon.listener import Listener
from daemon.loops import FINISH_MARGIN_SECONDS, SendingLoops, goodbye
from daemon.supervision import Supervisor
from daemon.systemd import MORE_TIME_SECONDS, Notifier, Reporter
from daemon.systemd import NAME as STATUS
from daemon.web.face import Face
from outbox import __version__
from outbox.assembly import CONNECTIONS, Engine, open_engine
from outbox.clock import SystemClock
from outbox.database import Database, DatabaseUnavailable
from outbox.database.access import connection_parameters
from outbox.entities.registry import CAPTURES
from outbox.logs import Event
from outbox.migration.fitness import Unfit, check_fitness
from outbox.settings import Settings
from outbox.store.installation import WrongDatabase

WAIT_FOR_DATABASE_SECONDS = 3.0

REFUSED = 2

NEEDED = frozenset({LISTENER, dispatching.SETTLING, maintenance.HEARTBEAT, maintenance.MAINTENANCE})
"""Loops that must have moved once before the daemon is ready."""


async def run(settings: Settings, on_secret: Callable[..., None]) -> int:
    """Runs until a signal; returns the exit status."""
    faulthandler.enable()  # The watchdog ends a process that hangs by SIGABRT: the journal then shows where it hung.
    log = structlog.get_logger()
    notifier = Notifier()
    database = Database(settings.database_url, application_name="zoho-outbox", connections=CONNECTIONS)
    listening = Database(settings.database_listen_url, application_name="zoho-outbox listener", connections=1)
    stop = _StopRequests()
    face = Face(settings, Supervisor(SystemClock()))
    refusal: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop.watch)
            tasks.start_soon(face.serve)
            async with _fit_engine(settings, database, stop, notifier, on_secret) as engine:
                if engine is not None:
                    log.info(
                        Event.DAEMON_STARTED,
                        version=__version__,
                        session=str(engine.session),
                        look_first=engine.installation.look_first_why,
                        payloads=str(settings.outbox_log_payloads)
                        if engine.installation.payloads_allowed
                        else "none, zoho_sync_logs was there before and may be readable by others",
                        sending=settings.enable_zoho_sync,
                    )
                    await _serve(engine, listening, stop, notifier, face)
            tasks.cancel_scope.cancel()
    except* (Unfit, WrongDatabase) as refusals:
        refusal = next(_leaves(refusals))
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()
            await listening.close()
    if refusal is not None:
        log.error(Event.DAEMON_REFUSED, reason=str(refusal))
        notifier.send(STATUS=f"refused: {refusal}")
        return REFUSED
    log.info(Event.DAEMON_STOPPED)
    return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


class _StopRequests:
    """SIGTERM and SIGINT, counted."""

    def __init__(self) -> None:
        self.first = anyio.Event()
        self.second = anyio.Event()

    async def watch(self) -> None:
        try:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    if self.first.is_set():
                        self.second.set()
                    self.first.set()
        finally:
            if self.first.is_set():
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGINT, signal.SIG_IGN)


@asynccontextmanager
async def _fit_engine(
    settings: Settings, database: Database, stop: _StopRequests, notifier: Notifier, on_secret: Callable[..., None]
) -> AsyncIterator[Engine | None]:
    """An engine, once the database is there and fit; None where a signal came first."""
    async with AsyncExitStack() as stack:
        engine: Engine | None = None
        said = False
        while engine is None and not stop.first.is_set():
            try:
                for due in await asyncio.to_thread(_fitness, settings):
                    structlog.get_logger().warning(
                        Event.SCHEMA_OUTDATED,
                        step=due,
                        advice="zoho-outbox migrate brings it up to date; sending goes on",
                    )
                opened = await stack.enter_async_context(
                    open_engine(settings, database, kind="daemon", on_secret=on_secret)
                )
                await opened.organisation.probe_at_once()
                await opened.sessions.heartbeat(listening=False, draining=False)
                engine = opened
            except (DatabaseUnavailable, psycopg.OperationalError) as absent:
                if not said:
                    said = True
                    structlog.get_logger().warning(
                        Event.DATABASE_LOST, reason=str(absent).splitlines()[0], advice="waiting for it"
                    )
                notifier.more_time(MORE_TIME_SECONDS, status=f"waiting for the database: {str(absent).splitlines()[0]}")
                with anyio.move_on_after(WAIT_FOR_DATABASE_SECONDS):
                    await stop.first.wait()
        if said and engine is not None:
            structlog.get_logger().info(Event.DATABASE_BACK)
        yield engine


def _fitness(settings: Settings) -> list[str]:
    conninfo = connection_parameters(settings.database_url.get_secret_value(), "zoho-outbox")
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
        return check_fitness(connection, CAPTURES)


async def _serve(engine: Engine, listening: Database, stop: _StopRequests, notifier: Notifier, face: Face) -> None:
    supervisor = face.supervisor
    dispatcher = Dispatcher(engine, supervisor, face.meter)
    listener = Listener(listening, engine.database, engine.session, supervisor, dispatcher.wake)
    loops = SendingLoops(engine, dispatcher, supervisor)
    face.begun(dispatcher, listener)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(supervisor.keep, LISTENER, listener.run)
            await loops.start(group, listening=lambda: listener.hears)
            reporter = Reporter(
                notifier,
                supervisor,
                dispatcher,
                listener,
                sends=engine.settings.enable_zoho_sync,
                needed=NEEDED,
                vital=NEEDED | {dispatching.NAME},
            )
            if notifier.heard:
                group.start_soon(supervisor.keep, STATUS, lambda: reporter.look(engine.database, engine.organisation))
            group.start_soon(reporter.run)
            group.start_soon(_drain_on_signal, stop, dispatcher, notifier, _longest_drain(engine))
            await loops.claiming_ended.wait()
            group.start_soon(_hurry_on_second_signal, stop, loops)
            await loops.finish()
            group.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(2, shield=True):
            await goodbye(engine)
    if dispatcher.foreign is not None:
        raise WrongDatabase(dispatcher.foreign)


def _longest_drain(engine: Engine) -> float:
    """Seconds that a drain may take, and a little: ZOHO_REQUEST_TIMEOUT_SECONDS may exceed the unit's time."""
    return engine.settings.zoho_request_timeout_seconds + 3 * FINISH_MARGIN_SECONDS


async def _drain_on_signal(stop: _StopRequests, dispatcher: Dispatcher, notifier: Notifier, longest: float) -> None:
    await stop.first.wait()
    notifier.send(STOPPING="1")
    notifier.more_time(longest, status=f"draining; {dispatcher.holds} in hand")
    structlog.get_logger().info(Event.DAEMON_DRAINING, holds=dispatcher.holds)
    dispatcher.drain()


async def _hurry_on_second_signal(stop: _StopRequests, loops: SendingLoops) -> None:
    await stop.second.wait()
    loops.end_requests()
