from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

import anyio
import pytest

from outbox.assembly import CONNECTIONS, Engine, open_engine
from outbox.database import Database
from outbox.sending.attempt import Ended
from outbox.settings import Settings, load_settings
from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.simulator.books import Record
from outbox.store.protocol import Claim
from outbox.vocabulary import EntityType, Urgency
from tests.host import databases
from tests.migration.migrated import DAEMON
from tests.store.host import Host

REQUEST_SECONDS = 2.0
RECHECK_SECONDS = 30.0
FIRST_LOOK_SECONDS = 10.0


@pytest.fixture
def host(migrated_database: databases.Database) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide(), refuse_unknown_keys=True)) as running:
        yield running


class Process:
    """An engine in this process, worked by hand: what a daemon does in one turn of its loop."""

    def __init__(self, engine: Engine, host: Host, secrets: list[str]) -> None:
        self.engine = engine
        self.secrets = secrets
        self._host = host

    async def turn(self) -> list[Ended]:
        """Admits, claims whatever is due, makes all attempts at once, settles; returns how they ended."""
        store = self.engine.store
        await store.promote()
        await store.admit(1000)
        claims = await store.claim(100, Urgency.RECONCILE)
        entity = self.engine.entities[EntityType.CUSTOMER]
        async with self.engine.database.connection() as connection:
            rows = await entity.read(connection, [claim.entity_id for claim in claims])
        ended: list[Ended] = []

        async def attempt(claim: Claim) -> None:
            ended.append(await self.engine.sender.attempt(entity, claim, rows.get(claim.entity_id), ended.append))

        async with anyio.create_task_group() as tasks:
            for claim in claims:
                tasks.start_soon(attempt, claim)
        settlement = await store.settle([each.verdict for each in ended])
        assert settlement.trouble is None
        return ended

    async def turns_until_quiet(self) -> None:
        """Turns until nothing is due, or sending is stopped for everybody: then a daemon claims nothing."""
        with anyio.fail_after(60):
            while (await self.engine.organisation.now()).may_try and await self.turn():
                pass

    async def turn_later(self, customer: UUID, seconds: float = 20_000.0) -> list[Ended]:
        """The next turn, after a pause of ``seconds`` for that customer."""
        self._host.pass_time(customer, seconds)
        return await self.turn()


NewProcess = Callable[..., AbstractAsyncContextManager[Process]]


@pytest.fixture
def new_process(host: Host, zoho: RunningSimulator) -> NewProcess:
    """Starts as many engines on one database as a test needs, with settings of their own."""

    @asynccontextmanager
    async def start(**changes: str) -> AsyncIterator[Process]:
        settings = settings_for(host, zoho, **changes)
        database = Database(settings.database_url, application_name="zoho-outbox test", connections=CONNECTIONS)
        secrets: list[str] = []
        try:
            async with open_engine(settings, database, kind="daemon", on_secret=secrets.append) as engine:
                yield Process(engine, host, secrets)
        finally:
            await database.close()

    return start


def settings_for(host: Host, zoho: RunningSimulator, **changes: str) -> Settings:
    environ = {
        "DATABASE_URL": host.database.dsn(DAEMON),
        "ZOHO_REQUESTS_PER_MINUTE": "0",
        "ZOHO_DAILY_REQUEST_LIMIT": "0",
        "ZOHO_MAX_CONCURRENCY": "4",
        "ZOHO_REQUEST_TIMEOUT_SECONDS": str(REQUEST_SECONDS),
        "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": str(RECHECK_SECONDS),
        **zoho.environment,
        **changes,
    }
    return load_settings(environ, required=Settings)


@pytest.fixture
async def process(new_process: NewProcess) -> AsyncIterator[Process]:
    async with new_process() as process:
        yield process


def customers_in(zoho: RunningSimulator) -> list[Record]:
    """Every customer in Zoho."""
    return list(zoho.simulator.books.customers)


def the_customer_in(zoho: RunningSimulator) -> Record:
    """The only customer in Zoho."""
    (customer,) = customers_in(zoho)
    return customer


def requests_to(zoho: RunningSimulator) -> list[str]:
    """Every API request so far, as ``POST /customers``."""
    return [
        f"{line.method} {line.path.removeprefix('/billing/v1')}"
        for line in zoho.simulator.journal
        if not line.path.startswith("/oauth")
    ]


def creates_in(zoho: RunningSimulator) -> int:
    """How many customers requests made."""
    return zoho.statistics.count_of_creates("customers")
