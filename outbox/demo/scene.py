"""The parts of the demo on one machine: started in their order, stopped in the opposite one."""

import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from anyio.from_thread import BlockingPortal, start_blocking_portal

from outbox.demo import host
from outbox.demo.daemon_process import DaemonProcess
from outbox.demo.expected import COLLECTIONS, EXTERNAL_ID
from outbox.demo.feed import Feed
from outbox.demo.postgres_server import PostgresServer
from outbox.demo.sample.before import Planted
from outbox.demo.stopping import StopRequest
from outbox.demo.verdict import Books
from outbox.simulator import FaultRule, LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.vocabulary import EntityType

_DAEMON_SECONDS = 30.0
_POLL_SECONDS = 0.05

LOOPBACK = "127.0.0.1"

T = TypeVar("T")

QUICK_SETTINGS = {
    "ZOHO_REQUESTS_PER_MINUTE": "0",
    "ZOHO_DAILY_REQUEST_LIMIT": "0",
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "5",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "5",
    "OUTBOX_RETRY_BASE_SECONDS": "2",
    "OUTBOX_RETRY_MAX_SECONDS": "20",
}
"""No budget, and pauses short enough to watch: whoever plants a fault in the simulator sees it overcome."""


class SceneError(Exception):
    """A part did not start, or ended by itself; the text says which and why."""


@dataclass(frozen=True)
class ZohoCounts:
    """What the simulator counted."""

    records: Mapping[EntityType, int]
    """In its books."""
    requests: int
    creates: int
    """Records that were made, also where the reply was lost."""
    repeated: int
    """Records that were made more than once."""
    reads: int
    refused: int
    """429s."""


class Zoho:
    """The simulator, in a thread of this process; every look at it is taken in that thread."""

    def __init__(self, portal: BlockingPortal, running: RunningSimulator) -> None:
        self._portal = portal
        self._running = running
        self.url = running.url
        self.environment: Mapping[str, str] = running.environment
        self._planted: set[str] = set()

    def plant(self, before: Sequence[Planted], faults: Sequence[FaultRule]) -> None:
        """What Zoho holds already; and bad days, for those who rehearse them."""
        for record in before:
            planted = self._portal.call(self._running.simulator.plant, record.collection, dict(record.fields))
            self._planted.add(planted)
        for fault in faults:
            self._portal.call(self._running.faults.add, fault)

    def counts(self) -> ZohoCounts:
        """The statistics so far."""
        return self._look(_counts)

    def books(self) -> Books:
        """Every record, and how often each was created."""
        return self._look(lambda running: _books(running, frozenset(self._planted)))

    def _look(self, look: Callable[[RunningSimulator], T]) -> T:
        return self._portal.call(look, self._running)


def _counts(running: RunningSimulator) -> ZohoCounts:
    statistics, books = running.statistics, running.simulator.books
    kinds = [kind for kind, _ in COLLECTIONS.values()]
    repeated = [statistics.created_more_than_once(kind, EXTERNAL_ID) for kind in kinds]
    return ZohoCounts(
        records={entity_type: len(books.collections[kind]) for entity_type, (kind, _) in COLLECTIONS.items()},
        requests=statistics.requests,
        creates=sum(map(statistics.count_of_creates, kinds)),
        repeated=sum(map(len, repeated)) + len(statistics.created_more_than_once("refunds", "payment_id")),
        reads=sum(count for route, count in statistics.by_route.items() if route.startswith("GET ")),
        refused=statistics.by_status[429],
    )


def _books(running: RunningSimulator, planted: frozenset[str]) -> Books:
    holdings, creates = running.simulator.holdings(), running.statistics.creates
    return Books(
        {entity_type: list(map(dict, holdings[kind])) for entity_type, (kind, _) in COLLECTIONS.items()},
        {record["subscription_id"]: dict(record) for record in running.simulator.books.scheduled_changes},
        {
            entity_type: dict(creates.get(kind, {}).get(EXTERNAL_ID, {}))
            for entity_type, (kind, _) in COLLECTIONS.items()
        },
        planted,
        {route: dict(keys) for route, keys in running.statistics.unknown_keys.items()},
    )


@dataclass(frozen=True)
class Dashboard:
    """Where the daemon's pages are, and the token that opens them."""

    url: str
    token: str


@dataclass(frozen=True)
class Scene:
    """Everything that runs."""

    postgres: PostgresServer
    zoho: Zoho
    daemon: DaemonProcess
    applications: host.Applications
    feed: Feed
    settings_file: Path
    dashboard: Dashboard

    def check(self) -> None:
        """Raises :class:`SceneError` where the daemon ended by itself."""
        if (status := self.daemon.exit_status) is not None:
            raise self.trouble(f"the daemon ended by itself with exit status {status}")

    def trouble(self, words: str) -> SceneError:
        """An error that carries what the daemon said last, and where the rest of it is kept."""
        return SceneError(
            f"{words}; the daemon said:\n{self.daemon.last_words()}\nIts whole log: {self.daemon.keep_log()}"
        )

    def psql(self) -> str:
        """The line with which a person looks at the database."""
        own = self.postgres.binaries.directory / "psql"
        program = "psql" if shutil.which("psql") or not own.exists() else str(own)
        return f"{program} '{self.postgres.dsn(host.DATABASE, host.OPERATOR)}'"


@contextmanager
def scene(
    postgres: PostgresServer,
    daemon_command: Sequence[str],
    *,
    real_limits: bool,
    before: Sequence[Planted],
    faults: Sequence[FaultRule],
    stop: StopRequest,
    report: Callable[[str, str], None],
) -> Iterator[Scene]:
    """Start every part, one after the other, telling ``report`` (part, words) of each; stop them at the end.

    ``postgres`` is not started yet; ``before`` is planted in Zoho. Raises :class:`SceneError`,
    :class:`outbox.demo.stopping.Stopped`, and what :class:`~outbox.demo.postgres_server.PostgresServer` raises.
    """
    with ExitStack() as stack:
        began = time.monotonic()
        stack.enter_context(postgres)
        stop.check()
        report(
            "PostgreSQL",
            f"{postgres.version}, from {postgres.binaries.origin}, on port {postgres.port}: created and started in "
            f"{time.monotonic() - began:.1f} s",
        )
        host.build_host(postgres)
        stop.check()
        report("Database", "CircleTel's tables: customers, services, packages, invoices, payments; no rows yet")
        steps = host.install(postgres)
        stop.check()
        report("Installation", f"zoho-outbox migrate: {steps} steps, as the tables' owner, who is no superuser")
        zoho = stack.enter_context(_simulator(real_limits=real_limits))
        zoho.plant(before, faults)
        limits = (
            "Zoho's real limits: we ask 60 times a minute and 1,000 times a day at most"
            if real_limits
            else "wide limits, so that nobody waits (--real-limits: Zoho's)"
        )
        report("Zoho Billing", f"simulator at {zoho.url}; {limits}")
        stop.check()
        daemon = stack.enter_context(DaemonProcess(daemon_command))
        settings = {
            "DATABASE_URL": postgres.dsn(host.DATABASE, host.DAEMON),
            **zoho.environment,
            **({} if real_limits else QUICK_SETTINGS),
            # A free one: a second demo, or the real daemon of this machine, may have the usual port.
            "OUTBOX_HTTP_LISTEN": f"{LOOPBACK}:{_free_port()}",
            "OUTBOX_ADMIN_TOKEN": secrets.token_hex(16),
        }
        operator = stack.enter_context(host.connect(postgres, host.OPERATOR))
        application = stack.enter_context(host.connect(postgres, host.APPLICATION))
        stage = Scene(
            postgres,
            zoho,
            daemon,
            host.Applications(application, operator),
            Feed(operator),
            _write_settings(daemon.folder, settings),
            Dashboard(f"http://{settings['OUTBOX_HTTP_LISTEN']}/admin/zoho-sync", settings["OUTBOX_ADMIN_TOKEN"]),
        )
        # The daemon ends first: it drains while the rest still answers.
        stack.callback(daemon.stop)
        daemon.start({**_process_environment(), **settings, "LOG_FORMAT": "json", "LOG_LEVEL": "info"})
        _await_daemon(stage, operator, stop)
        report("Daemon", f"process {daemon.pid}, logged in as {host.DAEMON}, knows the organisation, listens")
        report("Dashboard", stage.dashboard.url)
        report("Sign in", f"with any name and the token {stage.dashboard.token}")
        yield stage


@contextmanager
def _simulator(*, real_limits: bool) -> Iterator[Zoho]:
    settings = SimulatorSettings(limits=LimitSettings() if real_limits else LimitSettings.wide())
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running_simulator(settings)) as running:
        yield Zoho(portal, running)


def _await_daemon(stage: Scene, connection: psycopg.Connection[tuple[Any, ...]], stop: StopRequest) -> None:
    """Returns once it has asked Zoho for its organisation. Where Zoho does not answer: once it is registered."""
    deadline = time.monotonic() + _DAEMON_SECONDS
    while True:
        stage.check()
        row = connection.execute(
            """
            SELECT
                EXISTS (SELECT FROM zoho_outbox_private.session WHERE kind = 'daemon'),
                (SELECT organisation_checked_at IS NOT NULL FROM zoho_outbox_private.installation)
            """
        ).fetchone()
        registered, verified = row or (False, False)
        if verified:
            return
        if time.monotonic() > deadline:
            if registered:
                return
            raise stage.trouble(f"the daemon did not come up in {_DAEMON_SECONDS:.0f} s")
        stop.wait(_POLL_SECONDS)


def _free_port() -> int:
    """One that nobody listened on a moment ago. Should somebody be quicker, the daemon says so and works on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _process_environment() -> dict[str, str]:
    """What a Python of the same installation needs, and nothing of ours: settings come from the demo alone."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    ours = str(Path(__file__).resolve().parents[2])
    given = [str(Path(part).absolute()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    environment["PYTHONPATH"] = os.pathsep.join([ours, *given])
    environment["PYTHONUNBUFFERED"] = "1"
    if sys.dont_write_bytecode:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return environment


def _write_settings(folder: Path, settings: Mapping[str, str]) -> Path:
    """The same settings for a person's own commands: the file for ZOHO_OUTBOX_ENV_FILE."""
    path = folder / "settings.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()), encoding="utf-8")
    return path
