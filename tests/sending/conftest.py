from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import anyio
import psycopg
import pytest

from outbox.assembly import CONNECTIONS, Engine, open_engine
from outbox.database import Database
from outbox.sending.attempt import Ended
from outbox.settings import Settings, load_settings
from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.simulator.books import Record
from outbox.store.verdicts import Claim
from outbox.vocabulary import EntityType, Urgency
from tests.host import databases
from tests.migration.migrated import DAEMON
from tests.sending.billing import PLAN, Billing, forget_requests
from tests.store.host import Host

REQUEST_SECONDS = 2.0
RECHECK_SECONDS = 30.0
FIRST_LOOK_SECONDS = 10.0


@pytest.fixture
def host(migrated_database: databases.Database) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host


@pytest.fixture
def billing(host: Host) -> Billing:
    return Billing(host)


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide(), refuse_unknown_keys=True)) as running:
        yield running


class Process:
    """An engine in this process, worked by hand: what a daemon does in one turn of its loop."""

    def __init__(self, engine: Engine, host: Host, secrets: list[str]) -> None:
        self.engine = engine
        self.sender = engine.sender
        self.secrets = secrets
        self._host = host

    async def turn(self) -> list[Ended]:
        """Admits, claims whatever is due, makes all attempts at once, settles; returns how they ended."""
        return await self.settled(await self.attempted())

    async def turn_and_die(self) -> list[Ended]:
        """A turn of a process that dies before it settles. Its leases run out, and they are taken over."""
        ended = await self.attempted()
        for each in ended:
            self._host.pass_time(each.verdict.claim.entity_id, 1000)
        await self.engine.store.reclaim()
        return ended

    async def attempt_one(self, entity_type: EntityType, entity_id: UUID) -> Ended | None:
        """One attempt of that entity, whatever its phase; None: it has nothing to send."""
        await self.engine.store.admit(1000)
        claim = await self.engine.store.claim_one(entity_type, entity_id)
        if claim is None:
            return None
        (ended,) = await self.settled(await self._attempts([claim]))
        return ended

    async def attempted(self) -> list[Ended]:
        """A turn without its settlement."""
        await self.engine.store.promote()
        await self.engine.store.admit(1000)
        return await self._attempts(await self.engine.store.claim(100, Urgency.RECONCILE))

    async def _attempts(self, claims: Sequence[Claim]) -> list[Ended]:
        rows: dict[UUID, Any] = {}
        for entity_type in self.engine.entities:
            ids = [claim.entity_id for claim in claims if claim.entity_type is entity_type]
            rows |= await self._read(entity_type, ids) if ids else {}
        ended: list[Ended] = []

        async def attempt(claim: Claim) -> None:
            entity, row = self.engine.entities[claim.entity_type], rows.get(claim.entity_id)
            if isinstance(row, psycopg.DataError):
                ended.append(self.sender.undecodable(claim, row))
                return
            ended.append(await self.sender.attempt(entity, claim, row, ended.append))

        async with anyio.create_task_group() as tasks:
            for claim in claims:
                tasks.start_soon(attempt, claim)
        return ended

    async def _read(self, entity_type: EntityType, ids: Sequence[UUID]) -> dict[UUID, Any]:
        """Rows by id; the error in place of one that Python cannot hold, which is read alone then, as a daemon does."""
        try:
            async with self.engine.database.connection() as connection:
                return await self.engine.entities[entity_type].read(connection, ids)
        except psycopg.DataError as error:
            if len(ids) == 1:
                return {ids[0]: error}
        rows: dict[UUID, Any] = {}
        for entity_id in ids:
            rows |= await self._read(entity_type, [entity_id])
        return rows

    async def settled(self, ended: list[Ended]) -> list[Ended]:
        """The settlement of a turn."""
        settlement = await self.engine.store.settle([each.verdict for each in ended])
        assert settlement.trouble is None
        return ended

    async def turns_until_quiet(self, seconds: float = 60) -> None:
        """Turns until nothing is due, or sending is stopped for everybody: then a daemon claims nothing."""
        with anyio.fail_after(seconds):
            while (await self.engine.organisation.now()).may_try and await self.turn():
                pass

    async def turn_later(self, entity_id: UUID, seconds: float = 20_000.0) -> list[Ended]:
        """The next turn, after a pause of ``seconds`` for that row."""
        self._host.pass_time(entity_id, seconds)
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


@pytest.fixture
def fibre(billing: Billing, zoho: RunningSimulator) -> UUID:
    """A published package, whose plan costs other than our services do."""
    zoho.simulator.plant_plan(plan_code=PLAN, name="Fibre 50/50", recurring_price=Decimal("899.00"))
    return billing.package()


@pytest.fixture
async def customer(host: Host, zoho: RunningSimulator, process: Process) -> UUID:
    """A customer that is in Zoho; requests are counted from here on."""
    customer = host.add_customer()
    await process.turn()
    assert host.shown(customer) == ("synced", None)
    forget_requests(zoho)
    return customer


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
