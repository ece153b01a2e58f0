"""What the measured run rests on, without a figure: ``python -m tests.limits`` has those."""

from collections.abc import Callable, Mapping

import pytest

from outbox.simulator import LimitSettings, SimulatorSettings, running_simulator
from tests.acceptance.conftest import host, start_daemon
from tests.acceptance.running import DaemonProcess, until
from tests.limits.day import Day
from tests.limits.scene import Application, backlog, enqueue_backfill, lines_of, replicas, rows_from_before
from tests.store.host import Host

__all__ = ["host", "start_daemon"]

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

STOPS = ("organisation.throttled", "organisation.broken", "organisation.forbidden", "token.throttled")

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


@pytest.mark.timeout(240)
async def test_a_day_of_three_replicas_costs_at_most_26_tokens_and_no_request_finds_its_token_dead(
    host: Host,
) -> None:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as zoho:
        day = Day(host, zoho)
        await day.pass_by()
        assert day.commands == 24
        assert 24 <= zoho.simulator.tokens.minted <= 26
        assert zoho.simulator.tokens.throttled == 0
        assert zoho.statistics.unauthorised == {}
