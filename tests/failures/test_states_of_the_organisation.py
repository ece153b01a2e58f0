"""Paused, throttled, broken, forbidden: states of the whole organisation, before three real replicas.

Each is entered and left with one line in all logs together, shown with its reason and its end, and nobody's attempts
are burned meanwhile.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.console import typed
from tests.failures.rest import all_synced
from tests.store.host import Host

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

PATIENT = {
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "10",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "10",
    "OUTBOX_LEASE_SECONDS": "60",
}
"""Three daemons on a busy machine: a request that takes 2 s, or a heartbeat that is late, is no attempt that burned."""

STATES = ("paused", "throttled", "broken", "forbidden", "running")
ROWS = 12


class Replicas:
    """Three daemons, and what stands in their logs."""

    def __init__(self, host: Host, zoho: RunningSimulator, start: Callable[..., DaemonProcess]) -> None:
        self._host = host
        self._zoho = zoho
        self._start = start
        self.daemons: list[DaemonProcess] = []
        for _ in range(3):
            self.start_another()

    def start_another(self) -> None:
        self.daemons.append(self._start(environment(self._host.database, self._zoho, **PATIENT)))

    async def have_verified(self) -> None:
        for daemon in self.daemons:
            await daemon.says("organisation.verified")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Of all three, in no order."""
        return [line for daemon in self.daemons for line in daemon.events(event)]

    def states(self) -> list[str]:
        """Every state that was told, in the order of time."""
        told = [(str(line["timestamp"]), state) for state in STATES for line in self.lines(f"organisation.{state}")]
        return [state for _, state in sorted(told)]

    async def tell(self, state: str) -> dict[str, Any]:
        """Waits for a state's line; returns it."""
        await until(lambda: self.lines(f"organisation.{state}"), what=f"somebody says {state}")
        return self.lines(f"organisation.{state}")[0]

    async def nothing_in_flight(self) -> int:
        """How many requests there were, once none is on its way, and none that was permitted is about to leave."""
        await until(lambda: not self.permits() and self._zoho.statistics.in_flight == 0, what="nothing is in flight")
        return self._zoho.statistics.requests

    def permits(self) -> int:
        """That are held."""
        return int(self._host.value("SELECT count(*) FROM zoho_outbox_private.request_slot WHERE permit IS NOT NULL"))

    def state(self) -> str:
        """As the database has it."""
        return str(
            self._host.value(
                """
                SELECT CASE
                    WHEN paused_at IS NOT NULL THEN 'paused'
                    WHEN forbidden_at IS NOT NULL THEN 'forbidden'
                    WHEN throttled_until > clock_timestamp() THEN 'throttled'
                    WHEN broken_at IS NOT NULL THEN 'broken'
                    ELSE 'running'
                END
                FROM zoho_outbox_private.organisation
                """
            )
        )

    def probes(self) -> int:
        return int(self._host.value("SELECT probes FROM zoho_outbox_private.organisation"))


@pytest.fixture
def replicas(host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]) -> Replicas:
    return Replicas(host, zoho, start_daemon)


def burned(host: Host, rows: list[UUID]) -> list[dict[str, Any]]:
    """Attempts that counted."""
    return host.rows(
        "SELECT entity_id, attempts, last_error FROM zoho_outbox_private.entity_state"
        " WHERE attempts > 0 AND phase <> 'leased' AND entity_id = ANY (%s)",
        [rows],
    )


async def test_a_throttle_is_told_once_kept_by_all_and_ends_by_itself(
    host: Host, zoho: RunningSimulator, replicas: Replicas
) -> None:
    await replicas.have_verified()
    zoho.faults.plant(FaultKind.RATE_LIMITED_43, "POST", "/customers", retry_after_seconds=6)
    rows = host.add_customers(ROWS)
    told = await replicas.tell("throttled")
    before = await replicas.nothing_in_flight()
    said = await typed(host.database, "status")
    while replicas.state() == "throttled":
        assert burned(host, rows) == []
        requests = zoho.statistics.requests
        assert requests == before or replicas.state() != "throttled"
        await until(lambda: True)
    assert "code 43" in told["reason"]
    assert told["until"][:19] > told["since"][:19]
    assert "THROTTLED" in said.text
    assert "code 43" in said.text
    await all_synced(host)
    await replicas.tell("running")
    assert replicas.states() == ["throttled", "running"]
    assert host.value("SELECT max(attempt_number) FROM public.zoho_sync_logs") == 1


async def test_an_outage_is_told_once_asked_about_by_single_probes_and_ends_with_the_first_answer(
    host: Host, zoho: RunningSimulator, replicas: Replicas
) -> None:
    rows = host.add_customers(ROWS)
    await replicas.have_verified()
    await all_synced(host)
    fault = zoho.faults.plant(FaultKind.HTML_BEFORE, "*", "/customers*", times=None)
    for row in rows:
        host.change_customer(row, phone="+27 21 555 0199")
    told = await replicas.tell("broken")
    assert "web page" in told["reason"]
    counted = (await replicas.nothing_in_flight(), replicas.probes())
    late = host.add_customer(900)
    await until(lambda: zoho.statistics.requests > counted[0] + 1, what="two probes")
    # Read in this order: a probe is counted before it leaves.
    requests, probes = zoho.statistics.requests, replicas.probes()
    assert requests - counted[0] <= probes - counted[1]
    said = await typed(host.database, "status")
    assert "BROKEN" in said.text
    assert host.state(late)["attempts"] == 0
    assert host.rows("SELECT FROM public.zoho_outbox WHERE status = 'dead'") == []
    zoho.faults.remove(fault.id)
    host.interfere("UPDATE zoho_outbox_private.organisation SET probe_at = now()")
    await all_synced(host)
    await replicas.tell("running")
    assert replicas.states() == ["broken", "running"]


async def test_credentials_that_are_refused_park_everything_with_one_error_for_a_person(
    host: Host, zoho: RunningSimulator, replicas: Replicas
) -> None:
    await replicas.have_verified()
    zoho.simulator.tokens.revoke(zoho.settings.refresh_token)
    rows = host.add_customers(ROWS)
    told = await replicas.tell("forbidden")
    assert told["level"] == "error"
    assert "ZOHO_REFRESH_TOKEN" in told["reason"]
    asked = (await replicas.nothing_in_flight(), zoho.statistics.token_requests)
    rows += host.add_customers(3, first=100)
    await until(
        lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the replicas rest although rows come"
    )
    assert burned(host, rows) == []
    assert (zoho.statistics.requests, zoho.statistics.token_requests) == asked
    said = await typed(host.database, "status")
    assert "FORBIDDEN" in said.text
    assert "ZOHO_REFRESH_TOKEN" in said.text
    # A person authorises again and starts a replica anew, two minutes after the last refusal.
    zoho.simulator.tokens.add(zoho.settings.refresh_token, frozenset(zoho.settings.scopes))
    host.interfere("UPDATE zoho_outbox_private.access_token SET cooldown_until = NULL")
    replicas.start_another()
    await until(lambda: replicas.state() == "running", seconds=90, what="a probe is answered well")
    await all_synced(host, seconds=150)
    await replicas.tell("running")
    assert replicas.states() == ["forbidden", "running"]


async def test_a_pause_is_told_once_and_so_is_its_end(host: Host, replicas: Replicas) -> None:
    await replicas.have_verified()
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_pause('month end')")
        host.add_customers(3)
        told = await replicas.tell("paused")
        assert "finance_operator: month end" in told["reason"]
        operator.execute("SELECT zoho_outbox_resume()")
    await all_synced(host)
    await replicas.tell("running")
    assert replicas.states() == ["paused", "running"]
