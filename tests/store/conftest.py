from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from outbox.clock import ManualClock
from outbox.database import Database
from outbox.settings import Settings, load_settings
from outbox.store.installation import verify_installation
from outbox.store.protocol import OutboxStore
from outbox.store.verdicts import Claim
from outbox.vocabulary import Urgency
from tests.host import databases
from tests.migration.migrated import DAEMON
from tests.store.host import Host

LEASE_SECONDS = 60.0


@pytest.fixture
def host(migrated_database: databases.Database) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host


@pytest.fixture
def settings(migrated_database: databases.Database) -> Settings:
    """Settings of a daemon on the test's database; nobody answers at its Zoho."""
    return new_settings(migrated_database)


def new_settings(database: databases.Database, **changes: str) -> Settings:
    environ = {
        "DATABASE_URL": database.dsn(DAEMON),
        "ZOHO_CLIENT_ID": "1000.TEST",
        "ZOHO_CLIENT_SECRET": "client-secret-of-a-test",
        "ZOHO_REFRESH_TOKEN": "refresh-token-of-a-test",
        "ZOHO_BILLING_ORGANIZATION_ID": "10234695",
        "ZOHO_API_BASE_URL": "http://127.0.0.1:9/billing/v1",
        "ZOHO_ACCOUNTS_BASE_URL": "http://127.0.0.1:9",
        **changes,
    }
    return load_settings(environ, required=Settings)


@pytest.fixture
async def database(migrated_database: databases.Database, settings: Settings) -> AsyncIterator[Database]:
    """The daemon's connections, on a database whose identity is stored."""
    database = Database(SecretStr(migrated_database.dsn(DAEMON)), application_name="zoho-outbox test", connections=24)
    await verify_installation(database, settings)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def new_store(database: Database, clock: ManualClock) -> Callable[[], OutboxStore]:
    """Makes the stores of as many processes as a test needs."""
    return lambda: OutboxStore(database, uuid4(), clock, LEASE_SECONDS)


@pytest.fixture
def store(new_store: Callable[[], OutboxStore]) -> OutboxStore:
    return new_store()


async def claim_all(store: OutboxStore, batch: int = 100) -> list[Claim]:
    """Whatever is due, admitted first."""
    await store.promote()
    await store.admit(1000)
    return await store.claim(batch, Urgency.RECONCILE)


async def claim_one(store: OutboxStore) -> Claim:
    """The only entity that is due."""
    (claim,) = await claim_all(store)
    return claim
