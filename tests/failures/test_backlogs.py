"""An old snapshot, a long backlog, a bulk import (failures.md, 10 and 11): live changes go on, a bounded part is in
hand.

How fast, and in how much memory: ``python -m tests.limits memory``. That no statement reads more pages for it:
tests/plans/test_plans.py, with a million pending in the slow tier.
"""

from collections.abc import Callable, Iterator

import pytest

from daemon.dispatcher import MOST_UNSETTLED
from daemon.places import LIVE_PLACES, MOST_AHEAD
from outbox.simulator import RunningSimulator
from outbox.vocabulary import Urgency
from tests.acceptance.running import DaemonProcess, environment
from tests.failures.rest import all_synced
from tests.host.databases import Databases
from tests.limits.scene import Application, drop_leases
from tests.plans.population import Population, Statistics, Work
from tests.store.host import Host

pytestmark = pytest.mark.anyio

IMPORTED = 100_000

_IMPORT = """
INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
SELECT 'Anna', 'Meadow' || number, 'import' || number || '@example.com', '+27 21 555 0101', 'CT-BULK-' || number
FROM generate_series(1, %s) AS number
"""


PLACES = 4

MOST_IN_HAND = PLACES + LIVE_PLACES + MOST_AHEAD + MOST_UNSETTLED
"""The places, what is claimed ahead of them (rows that ask nothing of Zoho end in no time), what is not settled yet."""


def in_hand(host: Host) -> int:
    return int(host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase = 'leased'"))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_hundred_thousand_rows_of_one_transaction_are_bulk_and_live_changes_go_before_them(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    zoho.settings.latency_seconds = 0.05
    daemon = start_daemon(environment(host.database, zoho, ZOHO_MAX_CONCURRENCY=str(PLACES)))
    await daemon.says("organisation.verified")
    host.execute(_IMPORT, [IMPORTED])
    assert host.value("SELECT count(*) FROM public.zoho_outbox") == IMPORTED
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 5, seconds=90)
    application = Application(host, zoho)
    most = 0
    for _ in range(5):
        await application.commit_one()
        most = max(most, in_hand(host))
    assert most <= MOST_IN_HAND
    classes = {
        row["urgency"]: row["entities"]
        for row in host.rows(
            "SELECT urgency, count(*) AS entities FROM zoho_outbox_private.entity_state"
            " WHERE phase = 'ready' GROUP BY urgency"
        )
    }
    assert set(classes) == {Urgency.BULK}
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}


@pytest.fixture
def backlogged(databases: Databases) -> Iterator[Host]:
    """Fifty thousand pending: ready, scheduled, and not yet admitted."""
    with databases.fresh(Population(Work.BACKLOG, 50_000, Statistics.FRESH).template) as database, Host(database) as it:
        yield it


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_behind_a_backlog_of_every_kind_live_changes_go_on(
    backlogged: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    zoho.settings.latency_seconds = 0.05
    drop_leases(backlogged)
    daemon = start_daemon(environment(backlogged.database, zoho, ZOHO_MAX_CONCURRENCY=str(PLACES)))
    await daemon.says("organisation.verified", seconds=90)
    application = Application(backlogged, zoho)
    for _ in range(5):
        await application.commit_one()
        assert in_hand(backlogged) <= MOST_IN_HAND
    left = backlogged.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL")
    assert left > 40_000


async def test_an_old_snapshot_that_is_held_open_stops_nobody(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    """Slower it is, for no dead row can be removed: how much, the plans' tests bound."""
    daemon = start_daemon(environment(host.database, zoho))
    await daemon.says("organisation.verified")
    with host.transaction() as reporting:
        reporting.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before = reporting.execute("SELECT count(*) AS customers FROM public.customers").fetchone()
        customers = host.add_customers(40)
        for number in range(3):
            for customer in customers:
                host.change_customer(customer, phone=f"+27 21 555 01{number}0")
        await all_synced(host)
        assert reporting.execute("SELECT count(*) AS customers FROM public.customers").fetchone() == before
    phones = {record["phone"] for record in zoho.simulator.books.customers}
    assert phones == {"+27 21 555 0120"}


async def test_what_was_there_before_waits_for_what_is_live(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    """In small, and in order."""
    zoho.settings.latency_seconds = 0.05
    host.execute(
        "INSERT INTO public.customers (first_name, last_name, email, phone)"
        " SELECT 'Anna', 'Bulk' || number, 'b' || number || '@example.com', '1' FROM generate_series(1, 300) AS number"
    )
    daemon = start_daemon(environment(host.database, zoho, ZOHO_MAX_CONCURRENCY=str(PLACES)))
    await daemon.says("organisation.verified")
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 5)
    await Application(host, zoho).commit_one()
    assert host.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL") > 100
