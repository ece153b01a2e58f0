"""A command that follows a long run counts it no oftener than what counting takes allows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from outbox.assembly import Engine
from outbox.clock import SystemClock
from outbox.commands import pace
from outbox.commands.backfill import Backfill
from outbox.commands.backfill_plan import Plan, TypePlan
from outbox.commands.follow import Progress
from outbox.commands.pace import MOST_SECONDS
from outbox.commands.retry import RetryFailed
from outbox.simulator import RunningSimulator
from outbox.vocabulary import EntityType
from tests.sending.billing import held
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio


class EverythingTakesLong(SystemClock):
    """Seconds pass between any two readings, as where the database has 100,000 entries to count."""

    def __init__(self) -> None:
        super().__init__()
        self._more = 0.0

    def monotonic(self) -> float:
        self._more += 5.0
        return super().monotonic() + self._more


@asynccontextmanager
async def nobody(_: Engine) -> AsyncIterator[None]:
    """Sending is done in the pauses."""
    yield


@pytest.fixture
def pauses(process: Process, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the command would have waited; everything is sent in the first pause."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await process.turns_until_quiet()

    monkeypatch.setattr(pace, "sleep", sleep)
    return pauses


@pytest.mark.parametrize("command", ["backfill", "retry-failed"])
async def test_the_pause_is_as_long_as_counting_is_dear(
    host: Host, zoho: RunningSimulator, process: Process, pauses: list[float], command: str
) -> None:
    seen: list[Progress] = []
    engine = replace(process.engine, clock=EverythingTakesLong())
    customer = host.add_customer(email=" ")
    with anyio.fail_after(60):
        if command == "backfill":
            plan = Plan((TypePlan(EntityType.CUSTOMER, rows=[customer]),), 1)
            ended = await Backfill(engine, batch_size=10, sending=nobody).run(plan, seen.append)
        else:
            zoho.settings.customers.email_required = True
            await process.turn()
            zoho.settings.customers.email_required = False
            ended = await RetryFailed(engine, sending=nobody).run([EntityType.CUSTOMER], seen.append)
    assert not ended.failed
    assert len(held(zoho, "customers")) == 1
    assert [(progress.moving, progress.done) for progress in seen] == [(1, 0), (0, 1)]
    assert pauses == [MOST_SECONDS]
