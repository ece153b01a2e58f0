"""How many requests a change costs: in production Zoho's quota is the wall."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.host.databases import Database
from tests.migration.migrated import DAEMON
from tests.plans.daemon_process import running_daemon

pytestmark = pytest.mark.anyio

NEW_CUSTOMERS = 200
SETTLE_SECONDS = 60.0


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    """Zoho without limits, and without a customer."""
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as simulator:
        yield simulator


class Host:
    """The application's side of the database."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        self._connection = connection

    async def does(self, statement: str) -> None:
        """One transaction."""
        await self._connection.execute(statement.encode())

    async def sees(self, condition: str) -> None:
        """Waits until a query says true."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                if await (await self._connection.execute(condition.encode())).fetchone() == (True,):
                    return
                await asyncio.sleep(0.02)

    async def adds_customers(self, count: int) -> None:
        """New customers, one transaction each."""
        for number in range(1, count + 1):
            await self.does(
                "INSERT INTO customers (first_name, last_name, email, phone, account_number) VALUES "
                f"('Anna', 'Meadow', 'anna{number}@example.com', '+27 21 555 0101', 'CT-2025-{number:05}')"
            )

    async def sees_everything_finished(self, entries: int) -> dict[str, int]:
        """Waits until so many entries are closed and none is open; how many there are of each outcome."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                cursor = await self._connection.execute(
                    "SELECT coalesce(outcome, status), count(*) FROM zoho_outbox GROUP BY 1"
                )
                outcomes = {str(name): int(str(count)) for name, count in await cursor.fetchall()}
                if sum(outcomes.values()) == entries and not outcomes.keys() & {"pending", "processing", "waiting"}:
                    return outcomes
                await asyncio.sleep(0.02)


@pytest.fixture
async def host(migrated_database: Database) -> AsyncIterator[Host]:
    """The application, as the owner of its tables; superuser, because it looks into the outbox too."""
    async with await psycopg.AsyncConnection.connect(migrated_database.superuser_dsn, autocommit=True) as connection:
        yield Host(connection)


async def test_a_new_customer_costs_one_request(
    zoho: RunningSimulator, host: Host, migrated_database: Database
) -> None:
    async with running_daemon(migrated_database.dsn(DAEMON), zoho.environment):
        await host.adds_customers(NEW_CUSTOMERS)
        outcomes = await host.sees_everything_finished(NEW_CUSTOMERS)

    assert outcomes == {"sent": NEW_CUSTOMERS}
    assert dict(zoho.statistics.by_route) == {"GET /organizations": 1, "POST /customers": NEW_CUSTOMERS}
    assert zoho.statistics.token_requests == 1


async def test_customers_of_one_statement_cost_one_request_each(
    zoho: RunningSimulator, host: Host, migrated_database: Database
) -> None:
    async with running_daemon(migrated_database.dsn(DAEMON), zoho.environment):
        await host.does(
            "INSERT INTO customers (first_name, last_name, email, phone) SELECT 'Anna', 'Meadow', "
            f"number || '@example.com', '+27 21 555 0101' FROM generate_series(1, {NEW_CUSTOMERS}) AS number"
        )
        await host.sees_everything_finished(NEW_CUSTOMERS)

    assert dict(zoho.statistics.by_route) == {"GET /organizations": 1, "POST /customers": NEW_CUSTOMERS}
    assert zoho.statistics.token_requests == 1


async def test_an_update_that_changes_nothing_in_zoho_costs_no_request(
    zoho: RunningSimulator, host: Host, migrated_database: Database
) -> None:
    async with running_daemon(migrated_database.dsn(DAEMON), zoho.environment):
        await host.adds_customers(1)
        await host.sees_everything_finished(1)
        # Captured, because account_status is mapped; but a suspended customer stays active in Zoho.
        await host.does("UPDATE customers SET account_status = 'suspended'")
        outcomes = await host.sees_everything_finished(2)
        # Not even captured: the value stays, or Zoho never sees the column.
        await host.does("UPDATE customers SET phone = phone, updated_at = now()")
        await host.sees_everything_finished(2)

    assert outcomes == {"sent": 1, "unchanged": 1}
    assert dict(zoho.statistics.by_route) == {"GET /organizations": 1, "POST /customers": 1}


async def test_twenty_edits_during_a_pause_cost_one_request(
    zoho: RunningSimulator, host: Host, migrated_database: Database
) -> None:
    edits = 20
    async with running_daemon(migrated_database.dsn(DAEMON), zoho.environment):
        await host.adds_customers(1)
        await host.sees_everything_finished(1)
        await host.does("SELECT zoho_outbox_pause('twenty edits')")
        # Else an attempt may begin before it is known, ask for permission after the resume, and leave the last edits
        # nothing to send.
        await host.sees("SELECT organisation.told = 'paused' FROM zoho_outbox_private.organisation")
        for number in range(edits):
            await host.does(f"UPDATE customers SET phone = '+27 21 555 {number:04}'")
        await host.does("SELECT zoho_outbox_resume()")
        outcomes = await host.sees_everything_finished(1 + edits)

    assert outcomes == {"sent": 2, "superseded": edits - 1}
    assert dict(zoho.statistics.by_route) == {
        "GET /organizations": 1,
        "POST /customers": 1,
        "PUT /customers/{customer_id}": 1,
    }
