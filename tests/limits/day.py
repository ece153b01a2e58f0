"""A day of several processes that need an access token, in a minute: everything is real but time."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import anyio
from pydantic import SecretStr

from outbox.clock import ManualClock
from outbox.database import Database
from outbox.settings import Settings, load_settings
from outbox.simulator import RunningSimulator
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.budget import SharedBudget
from outbox.vocabulary import Urgency
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import open_http
from outbox.zoho.exchange import ApiRequest
from tests.acceptance.running import environment
from tests.migration.migrated import DAEMON
from tests.store.host import Host

STEP = timedelta(minutes=2)
DAY = timedelta(days=1)

REPLICAS = 3
COMMAND_EVERY = timedelta(hours=1)

_TIME_PASSES = """
WITH token AS (
    UPDATE zoho_outbox_private.access_token AS token
    SET expires_at = token.expires_at - %(step)s, cooldown_until = token.cooldown_until - %(step)s
)
UPDATE zoho_outbox_private.token_mint AS mint SET minted_at = mint.minted_at - %(step)s
"""


class Replica:
    """What asks Zoho in one process, on a clock that the caller moves."""

    def __init__(self, settings: Settings, database: Database, clock: ManualClock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def open(self, stack: AsyncExitStack) -> "Replica":
        """A process begins: it remembers nothing."""
        http = await stack.enter_async_context(open_http(self._settings))
        session = uuid4()
        tokens = AccessTokens(DatabaseTokenVault(self._database, session), http, self._settings, self._clock)
        budget = SharedBudget(self._database, self._settings, session)
        self._client = ZohoClient(http, tokens, budget, self._settings, self._clock)
        return self

    async def asks(self) -> None:
        """A request that needs a token."""
        await self._client.send(ApiRequest("GET", "/organizations", names_organisation=False), urgency=Urgency.LIVE)


@dataclass
class Day:
    """:data:`REPLICAS` daemons ask at once every ``step``, and every hour a command that begins and ends.

    The clocks of the clients, of the simulator and of the tables are moved together.
    """

    host: Host
    zoho: RunningSimulator
    step: timedelta = STEP
    commands: int = field(default=0, init=False)
    """Run so far."""

    async def pass_by(self) -> None:
        """Midnight to midnight. Raises what a request raises that finds no token."""
        settings = load_settings(
            environment(self.host.database, self.zoho, ZOHO_REQUEST_TIMEOUT_SECONDS="30", OUTBOX_LEASE_SECONDS="120")
            | {"OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "30"},
            required=Settings,
        )
        clock = ManualClock()
        async with AsyncExitStack() as stack:
            dsn = SecretStr(self.host.database.dsn(DAEMON))
            database = Database(dsn, application_name="zoho-outbox test", connections=6)
            stack.push_async_callback(database.close)
            replicas = [await Replica(settings, database, clock).open(stack) for _ in range(REPLICAS)]
            for step in range(int(DAY / self.step)):
                async with anyio.create_task_group() as tasks:
                    for replica in replicas:
                        tasks.start_soon(replica.asks)
                    if step * self.step % COMMAND_EVERY == timedelta():
                        tasks.start_soon(self._command, Replica(settings, database, clock))
                clock.advance(self.step.total_seconds())
                self.zoho.clock.advance(self.step.total_seconds())
                self.host.interfere(_TIME_PASSES, {"step": self.step})

    async def _command(self, command: Replica) -> None:
        async with AsyncExitStack() as stack:
            await (await command.open(stack)).asks()
        self.commands += 1
