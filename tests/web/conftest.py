"""The web application in this process, over a migrated database; and a browser that is signed in."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette

from daemon.meter import Meter
from daemon.web.application import build
from daemon.web.connections import WebDatabase
from daemon.web.context import Context
from daemon.web.standing import Standing
from outbox.clock import ManualClock
from outbox.database import Database
from outbox.settings import Settings
from outbox.store.installation import verify_installation
from outbox.store.organisation import OrganisationStore
from tests.host import databases
from tests.store.conftest import new_settings
from tests.store.host import Host

TOKEN = "an-admin-token-of-a-test-0123456789"
BASE = "http://127.0.0.1:8025"
SIGN_IN = "/admin/zoho-sync/sign-in"


@dataclass
class KnownLiveness:
    """A daemon's state as a test says it is."""

    started: bool = True
    stalled: list[str] = field(default_factory=list)
    database_lost: bool = False
    listening: bool = True
    draining: bool = False
    holds: int = 0
    idle_seconds: Mapping[str, float] = field(default_factory=lambda: {"dispatcher": 1.5, "listener": 0.5})
    listener_deaf_why: str = ""


@pytest.fixture
def host(migrated_database: databases.Database) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def liveness() -> KnownLiveness:
    return KnownLiveness()


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def web_settings(migrated_database: databases.Database) -> Settings:
    return new_settings(migrated_database, OUTBOX_ADMIN_TOKEN=TOKEN)


@pytest.fixture
async def new_context(
    clock: ManualClock, liveness: KnownLiveness, meter: Meter
) -> AsyncIterator[Callable[[Settings], Context]]:
    """Makes contexts on as many settings as a test needs."""
    opened: list[tuple[Standing, Database]] = []

    def make(settings: Settings) -> Context:
        database = WebDatabase(settings.database_url)
        counting = WebDatabase(settings.database_url, connections=1, statement_seconds=20)
        standing = Standing(counting, settings, clock)
        probing = WebDatabase(settings.database_url, connections=1, statement_seconds=2)
        opened.extend((standing, each) for each in (database, counting, probing))
        return Context(
            settings=settings,
            clock=clock,
            database=database,
            organisation=OrganisationStore(database, settings.zoho_time_zone),
            standing=standing,
            probing=probing,
            liveness=liveness,
            meter=meter,
        )

    yield make
    for standing, database in opened:
        await standing.close()
        await database.close()


@pytest.fixture
async def context(
    new_context: Callable[[Settings], Context], web_settings: Settings, migrated_database: databases.Database
) -> Context:
    made = new_context(web_settings)
    await verify_installation(made.database, web_settings)
    return made


@pytest.fixture
def application(context: Context) -> Starlette:
    return build(context)


def browser(application: Starlette, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client that keeps cookies and follows no redirect."""
    transport = httpx.ASGITransport(application, client=(address, 40000))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


async def sign_in(client: httpx.AsyncClient, name: str = "Lerato Nkosi", token: str = TOKEN) -> httpx.Response:
    return await client.post(SIGN_IN, data={"name": name, "token": token})


@pytest.fixture
async def stranger(application: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Not signed in."""
    async with browser(application) as client:
        yield client


@pytest.fixture
async def client(application: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in as Lerato Nkosi."""
    async with browser(application) as client:
        answer = await sign_in(client)
        assert answer.status_code == 303, answer.text
        yield client


@pytest.fixture
async def api(application: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A program that carries the token, for Sipho Dlamini."""
    headers = {"authorization": f"Bearer {TOKEN}", "x-operator": "Sipho Dlamini"}
    async with browser(application) as client:
        client.headers.update(headers)
        yield client


def csrf_token_in(page: str) -> str:
    """The token that a page's form carries."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]
