"""What a run stands on: a PostgreSQL of its own, a Zoho, replicas of the daemon, and a breakable path before each."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator.application import API_ROOT
from outbox.simulator.serving import environment
from outbox.simulator.settings import SimulatorSettings
from tests.crash import simulating
from tests.crash.children import Child, Guard
from tests.faults.proxy import FaultProxy
from tests.host.databases import Database, Databases
from tests.host.server import TEST_SETTINGS
from tests.host.shapes import HostShape, prepare_server
from tests.migration.migrated import DAEMON, migrated_template

Row = dict[str, Any]

REQUEST_SECONDS = 2.0
LEASE_SECONDS = 5.0
RECHECK_SECONDS = 2.0
DRAIN_SECONDS = REQUEST_SECONDS + 25.0
"""A replica that was asked to stop has ended by then: a request, the daemon's margin, and a busy machine."""

INFANCY_SECONDS = 10.0
"""For so long a replica may still be starting."""

_ADDRESS = re.compile(r"ready at (http://\S+)")


@dataclass
class Tally:
    """What happened to the replicas and the database."""

    kills: int = 0
    stops: int = 0
    terminations: int = 0
    restarts: int = 0
    """Of PostgreSQL, in immediate mode."""
    severed_backends: int = 0
    network_faults: int = 0
    bad_ends: list[str] = field(default_factory=list)
    """Replicas that ended unbidden, or not with 0 when asked to."""


class Zoho:
    """The simulator's control, from this process."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._token = ""

    async def get(self, name: str, **query: str) -> dict[str, Any]:
        """``GET /_simulator/<name>``; amounts are Decimal."""
        reply = await self._client.get(f"/_simulator/{name}", params=query)
        reply.raise_for_status()
        found: dict[str, Any] = json.loads(reply.text, parse_float=Decimal)
        return found

    async def read(self, path: str) -> dict[str, Any]:
        """A GET of the API itself, with a token of our own; amounts are Decimal."""
        own = simulating.settings()
        if not self._token:
            asked = {
                "grant_type": "refresh_token",
                "client_id": own.client_id,
                "client_secret": own.client_secret,
                "refresh_token": own.refresh_token,
            }
            self._token = (await self._client.post("/oauth/v2/token", data=asked)).json()["access_token"]
        headers = {
            "Authorization": f"Zoho-oauthtoken {self._token}",
            "X-com-zoho-subscriptions-organizationid": own.organisation.organization_id,
        }
        reply = await self._client.get(f"{API_ROOT}{path}", headers=headers)
        reply.raise_for_status()
        found: dict[str, Any] = json.loads(reply.text, parse_float=Decimal)
        return found

    async def put_records(self, records: dict[str, list[dict[str, Any]]]) -> None:
        """What a person made in Zoho before."""
        (await self._client.post("/_simulator/records", json=records)).raise_for_status()

    async def plant(self, *rules: dict[str, Any]) -> None:
        """Plants faults."""
        (await self._client.post("/_simulator/faults", json=list(rules))).raise_for_status()

    async def clear_faults(self) -> None:
        """Takes all out."""
        (await self._client.delete("/_simulator/faults")).raise_for_status()

    async def change_settings(self, **changes: Any) -> None:
        """A nested change."""
        (await self._client.patch("/_simulator/settings", json=changes)).raise_for_status()

    async def expire_tokens(self) -> None:
        """Every access token dies."""
        (await self._client.post("/_simulator/tokens/expire")).raise_for_status()


class Replica:
    """One daemon, with its own path to the database and its own path to Zoho."""

    def __init__(self, number: int, guard: Guard, log_path: Path, tally: Tally) -> None:
        self.number = number
        self.log_path = log_path
        self.busy = asyncio.Lock()
        """Held by whoever does something to the process."""
        self._guard = guard
        self._tally = tally
        self._child: Child | None = None
        self._environment: dict[str, str] = {}
        self._started_at = 0.0
        self.to_database: FaultProxy
        self.to_zoho: FaultProxy

    def connect(self, to_database: FaultProxy, to_zoho: FaultProxy, environment: dict[str, str]) -> None:
        """Tells it its paths and its settings, before the first start."""
        self.to_database, self.to_zoho, self._environment = to_database, to_zoho, environment

    async def start(self) -> None:
        """A fresh process."""
        self._child = await Child.start(
            self._guard, [sys.executable, "-m", "daemon", "run"], self._environment, self.log_path
        )
        self._started_at = time.monotonic()

    @property
    def runs(self) -> bool:
        """Whether its process has not ended."""
        return self._child is not None and self._child.exit_status is None

    async def revive(self) -> None:
        """Starts it again where it ended unbidden, which is remembered."""
        if self._child is not None and self._child.exit_status is not None:
            self._tally.bad_ends.append(f"replica {self.number} ended by itself with {await self._child.wait()}")
            await self.start()

    async def kill(self) -> None:
        """SIGKILL."""
        child, self._child = self._child, None
        if child is not None:
            self._tally.kills += 1
            await child.kill()

    def send(self, number: signal.Signals) -> None:
        """A signal, to a replica that runs."""
        if self._child is None:
            raise RuntimeError(f"replica {self.number} does not run")
        self._child.send(number)

    def use_database(self, name: str) -> None:
        """Connects to another database of the same server from the next start on."""
        dsn = self._environment["DATABASE_URL"]
        self._environment = {**self._environment, "DATABASE_URL": make_conninfo(dsn, dbname=name)}

    async def ended(self) -> int:
        """Waits until it ends by itself; its exit status."""
        child, self._child = self._child, None
        if child is None:
            raise RuntimeError(f"replica {self.number} does not run")
        return await child.wait()

    async def suspend(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after ``seconds``, whatever happens meanwhile."""
        child = self._child
        if child is None:
            return
        self._tally.stops += 1
        child.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            child.send(signal.SIGCONT)

    async def terminate(self, *, twice: bool = False) -> None:
        """SIGTERM, and another one a moment later; it must drain and end with 0."""
        child, self._child = self._child, None
        if child is None:
            return
        self._tally.terminations += 1
        age = time.monotonic() - self._started_at
        order = "two SIGTERMs" if twice else "SIGTERM"
        child.send(signal.SIGTERM)
        if twice:
            await asyncio.sleep(0.2)
            child.send(signal.SIGTERM)
        try:
            status = await child.wait(DRAIN_SECONDS)
        except TimeoutError:
            self._tally.bad_ends.append(f"replica {self.number} did not end within {DRAIN_SECONDS:g} s of {order}")
            await child.kill()
            return
        except asyncio.CancelledError:
            await child.kill()
            raise
        # A signal that comes before the daemon listens for it ends Python at once: the default, and harmless.
        if status != 0 and not (age < INFANCY_SECONDS and status == -signal.SIGTERM):
            self._tally.bad_ends.append(f"replica {self.number}, {age:.1f} s old, ended with {status} after {order}")

    async def end(self) -> None:
        """Ends it, in whatever state it is; counted nowhere."""
        if self._child is not None:
            await self._child.kill()
            self._child = None


@dataclass
class Stage:
    """Everything of one run."""

    postgres: PostgresServer
    database: Database
    zoho: Zoho
    replicas: list[Replica]
    tally: Tally
    folder: Path
    postgres_busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever takes the server down."""

    async def rows(self, statement: LiteralString, parameters: Any = ()) -> list[Row]:
        """As superuser, private state included; waits for a database that is away."""
        async with asyncio.timeout(60):
            while True:
                try:
                    async with await psycopg.AsyncConnection.connect(
                        self.database.superuser_dsn, autocommit=True, row_factory=dict_row, connect_timeout=5
                    ) as connection:
                        cursor = await connection.execute(statement, parameters)
                        return await cursor.fetchall() if cursor.description is not None else []
                except psycopg.OperationalError:
                    await asyncio.sleep(0.1)


@asynccontextmanager
async def stage(replicas: int, logs: Path | None = None) -> AsyncIterator[Stage]:
    """Sets everything up, the daemons not yet started; leaves nothing behind but, where they are wanted, ``logs``."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="zoho-outbox-crash-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if logs is not None:
            stack.callback(shutil.copytree, folder, logs, dirs_exist_ok=True)
        postgres = stack.enter_context(_server())
        stack.callback(lambda: shutil.copyfile(postgres.log_path, folder / "postgres.log"))
        database = await asyncio.to_thread(_migrated, postgres)
        guard = stack.enter_context(Guard())
        url = await _simulator(stack, guard, folder)
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False, timeout=30))
        tally = Tally()
        cast = [Replica(number, guard, folder / f"replica-{number}.log", tally) for number in range(1, replicas + 1)]
        for replica in cast:
            to_database = await stack.enter_async_context(FaultProxy(postgres.host, postgres.port))
            to_zoho = await stack.enter_async_context(FaultProxy("127.0.0.1", int(url.rpartition(":")[2])))
            replica.connect(to_database, to_zoho, _environment(database, to_database, to_zoho))
            stack.push_async_callback(replica.end)
        yield Stage(postgres, database, Zoho(client), cast, tally, folder)


def _server() -> PostgresServer:
    # Unlike other tests' servers it is killed while it writes: half a page must be mended when it comes back.
    memory = Path("/dev/shm")
    return PostgresServer(
        settings={**TEST_SETTINGS, "full_page_writes": "on"}, base_directory=memory if memory.is_dir() else None
    )


def _migrated(postgres: PostgresServer) -> Database:
    prepare_server(postgres)
    return Databases(postgres, "crash").create(migrated_template(HostShape()))


async def _simulator(stack: AsyncExitStack, guard: Guard, folder: Path) -> str:
    log_path = folder / "simulator.log"
    child = await Child.start(guard, [sys.executable, "-m", simulating.__name__], _inherited(), log_path)
    stack.push_async_callback(child.kill)
    async with asyncio.timeout(60):
        while (match := _ADDRESS.search(log_path.read_text())) is None:
            if child.exit_status is not None:
                raise RuntimeError(f"the simulator did not start:\n{log_path.read_text()}")
            await asyncio.sleep(0.05)
    return match[1]


def _environment(database: Database, to_database: FaultProxy, to_zoho: FaultProxy) -> dict[str, str]:
    settings: SimulatorSettings = simulating.settings()
    return {
        **_inherited(),
        **environment(f"http://{to_zoho.host}:{to_zoho.port}", settings),
        "DATABASE_URL": make_conninfo(database.dsn(DAEMON), port=to_database.port),
        "ZOHO_REQUESTS_PER_MINUTE": "0",
        "ZOHO_DAILY_REQUEST_LIMIT": "0",
        # A killed replica keeps its places for 17 s: with four of them, killing would be all that happens.
        "ZOHO_MAX_CONCURRENCY": "16",
        "ZOHO_REQUEST_TIMEOUT_SECONDS": f"{REQUEST_SECONDS:g}",
        "OUTBOX_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
        "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": f"{RECHECK_SECONDS:g}",
        "OUTBOX_RETRY_BASE_SECONDS": "1",
        "OUTBOX_RETRY_MAX_SECONDS": "5",
        "OUTBOX_POLL_SECONDS": "5",
        "OUTBOX_MAX_ATTEMPTS": "1000000",
        "OUTBOX_HTTP_LISTEN": "",
        "LOG_FORMAT": "json",
    }


def _inherited() -> dict[str, str]:
    checkout = str(Path(__file__).parents[2])
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": checkout, "PYTHONUNBUFFERED": "1"}
