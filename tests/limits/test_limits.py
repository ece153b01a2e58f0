"""What the measured run rests on, without a figure: ``python -m tests.limits`` has those."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import anyio
import pytest
from pydantic import SecretStr

from outbox.clock import ManualClock
from outbox.database import Database
from outbox.settings import Settings, load_settings
from outbox.simulator import LimitSettings, SimulatorSettings, running_simulator
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.budget import SharedBudget
from outbox.vocabulary import Urgency
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import open_http
from outbox.zoho.exchange import ApiRequest
from tests.acceptance.conftest import host, start_daemon
from tests.acceptance.running import DaemonProcess, environment, until
from tests.limits.scene import Application, backlog, enqueue_backfill, lines_of, replicas, rows_from_before
from tests.migration.migrated import DAEMON
from tests.store.host import Host

__all__ = ["host", "start_daemon"]

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

STOPS = ("organisation.throttled", "organisation.broken", "organisation.forbidden", "token.throttled")

STEP = timedelta(minutes=2)
DAY = timedelta(days=1)

_TIME_PASSES = """
WITH token AS (
    UPDATE zoho_outbox_private.access_token AS token
    SET expires_at = token.expires_at - %(step)s, cooldown_until = token.cooldown_until - %(step)s
)
UPDATE zoho_outbox_private.token_mint AS mint SET minted_at = mint.minted_at - %(step)s
"""


_MIDNIGHT = """
WITH yesterday AS (
    UPDATE zoho_outbox_private.request_budget AS budget SET day = budget.day - 1
)
UPDATE zoho_outbox_private.organisation SET stop_told_until = clock_timestamp()
"""


async def test_three_replicas_and_a_backfill_are_refused_nothing_and_a_live_change_goes_first(
    host: Host, start_daemon: Start
) -> None:
    strict = SimulatorSettings(limits=LimitSettings(requests_per_day=None), latency_seconds=0.05)
    async with running_simulator(strict) as zoho:
        rows_from_before(host, 60)
        daemons = await replicas(host, zoho, start_daemon, {"ZOHO_REQUESTS_PER_MINUTE": "95"})
        enqueue_backfill(host)
        await until(lambda: zoho.statistics.requests >= 10, what="the backfill moves")
        await Application(host, zoho).commit_one()
        assert backlog(host) > 30
        assert zoho.statistics.refused == {}
        assert zoho.statistics.most_in_flight <= 4
        assert zoho.simulator.tokens.minted == 1
        assert lines_of(daemons, *STOPS) == {}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_backfill_larger_than_the_day_leaves_live_changes_moving_and_goes_on_after_midnight(
    host: Host, start_daemon: Start
) -> None:
    async with running_simulator(SimulatorSettings(limits=LimitSettings(requests_per_minute=None))) as zoho:
        rows_from_before(host, 100)
        limits = {"ZOHO_DAILY_REQUEST_LIMIT": "60", "ZOHO_LIVE_RESERVE_PERCENT": "50"}
        zoho.settings.limits.requests_per_day = 60
        daemons = await replicas(host, zoho, start_daemon, limits)
        enqueue_backfill(host)
        await until(lambda: used(host) >= 30, what="the backfill has used up its share")
        await until(lambda: lines_of(daemons, "budget.spent"), what="somebody says so")
        assert backlog(host) > 40
        application = Application(host, zoho)
        for _ in range(5):
            await application.commit_one()
        assert used(host) <= 60
        assert backlog(host) > 40
        assert lines_of(daemons, "budget.spent", "budget.open", *STOPS) == {"budget.spent": 1}
        burned = host.rows("SELECT FROM zoho_outbox_private.entity_state WHERE attempts > 0 AND phase <> 'leased'")
        assert burned == []
        left = backlog(host)
        # Midnight: what was used was used yesterday, on both sides.
        zoho.clock.advance(86_400)
        host.interfere(_MIDNIGHT)
        # Whoever was sent away asks again within a minute.
        await until(lambda: backlog(host) < left, seconds=150, what="the backfill goes on")
        await until(lambda: lines_of(daemons, "budget.open"), what="somebody says so")
        assert lines_of(daemons, "budget.open") == {"budget.open": 1}
        assert zoho.statistics.refused == {}


def used(host: Host) -> int:
    """Requests of the day."""
    requests: int = host.value("SELECT requests FROM zoho_outbox_private.request_budget")
    return requests


class Replica:
    """What asks Zoho in one process, on a clock that the test moves."""

    def __init__(self, settings: Settings, database: Database, clock: ManualClock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def open(self, stack: AsyncExitStack) -> "Replica":
        http = await stack.enter_async_context(open_http(self._settings))
        session = uuid4()
        tokens = AccessTokens(DatabaseTokenVault(self._database, session), http, self._settings, self._clock)
        budget = SharedBudget(self._database, self._settings, session)
        self._client = ZohoClient(http, tokens, budget, self._settings, self._clock)
        return self

    async def asks(self) -> None:
        """A request that needs a token."""
        await self._client.send(ApiRequest("GET", "/organizations", names_organisation=False), urgency=Urgency.LIVE)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.mark.timeout(240)
async def test_a_day_of_three_replicas_costs_at_most_26_tokens_and_no_request_finds_its_token_dead(
    host: Host, clock: ManualClock
) -> None:
    """Everything real but time: the vault's tables, three processes' clients, a token office with Zoho's limits.

    Every two minutes of the day all three ask at once; the clocks of the clients, of the simulator and of the tables
    are moved together.
    """
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as zoho, AsyncExitStack() as stack:
        settings = load_settings(
            environment(host.database, zoho, ZOHO_REQUEST_TIMEOUT_SECONDS="30", OUTBOX_LEASE_SECONDS="120")
            | {"OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "30"},
            required=Settings,
        )
        database = Database(SecretStr(host.database.dsn(DAEMON)), application_name="zoho-outbox test", connections=6)
        stack.push_async_callback(database.close)
        three = [await Replica(settings, database, clock).open(stack) for _ in range(3)]
        for _ in range(int(DAY / STEP)):
            async with anyio.create_task_group() as tasks:
                for replica in three:
                    tasks.start_soon(replica.asks)
            clock.advance(STEP.total_seconds())
            zoho.clock.advance(STEP.total_seconds())
            host.interfere(_TIME_PASSES, {"step": STEP})
        assert 24 <= zoho.simulator.tokens.minted <= 26
        assert zoho.simulator.tokens.throttled == 0
        assert zoho.statistics.unauthorised == {}
