"""What stops all sending, as replicas report it and see it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio
import pytest
from structlog.testing import capture_logs

from outbox.clock import ManualClock
from outbox.database import Database
from outbox.store.organisation import BREAKER_OPENS_AT, OrganisationStore
from outbox.vocabulary import FailureClass, OrganisationState
from outbox.zoho.failures import Failure, FailureKind
from outbox.zoho.ports import SendingStopped
from tests.migration.migrated import OPERATOR
from tests.store.host import Host

pytestmark = pytest.mark.anyio

OUTAGE = Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", "wait", http_status=500)
AUTH = Failure(FailureClass.AUTH, FailureKind.SCOPE_OR_ORGANISATION, "not authorised", "give it the scope", code=57)
REFUSED = Failure(FailureClass.PERMANENT, FailureKind.INVALID, "invalid e-mail", "correct it", code=4)

NewOrganisation = Callable[[], OrganisationStore]


def throttled(seconds: float | None, kind: FailureKind = FailureKind.THROTTLED_MINUTE) -> Failure:
    return Failure(FailureClass.THROTTLED, kind, "too many", "wait", code=44, retry_after_seconds=seconds)


@pytest.fixture
def new_organisation(database: Database, clock: ManualClock) -> NewOrganisation:
    return lambda: OrganisationStore(database, "Africa/Johannesburg")


@pytest.fixture
def organisation(new_organisation: NewOrganisation) -> OrganisationStore:
    return new_organisation()


async def test_five_outages_in_a_row_open_the_breaker_and_are_logged_once(
    host: Host, organisation: OrganisationStore
) -> None:
    with capture_logs() as logs:
        stopped = [await organisation.failed(OUTAGE) for _ in range(BREAKER_OPENS_AT + 2)]
    assert stopped == [False] * (BREAKER_OPENS_AT - 1) + [True] * 3
    assert [line["event"] for line in logs] == ["organisation.broken"]
    now = await organisation.now()
    assert (now.state, now.may_try) == (OrganisationState.BROKEN, False)
    assert now.until is not None


async def test_a_good_reply_in_between_begins_the_count_anew(organisation: OrganisationStore) -> None:
    for _ in range(BREAKER_OPENS_AT - 1):
        await organisation.failed(OUTAGE)
    await organisation.answered()
    assert not await organisation.failed(OUTAGE)
    assert (await organisation.now()).state is OrganisationState.RUNNING


async def test_replicas_count_together(new_organisation: NewOrganisation) -> None:
    replicas = [new_organisation() for _ in range(BREAKER_OPENS_AT)]
    assert [await replica.failed(OUTAGE) for replica in replicas] == [False] * (BREAKER_OPENS_AT - 1) + [True]


async def test_the_probes_good_reply_ends_the_outage(host: Host, organisation: OrganisationStore) -> None:
    for _ in range(BREAKER_OPENS_AT):
        await organisation.failed(OUTAGE)
    host.interfere("UPDATE zoho_outbox_private.organisation SET probe_at = now()")
    assert (await organisation.now()).may_try
    with capture_logs() as logs:
        await organisation.answered()
    assert [(line["event"], line["after"]) for line in logs] == [("organisation.running", "broken")]
    now = await organisation.now()
    assert (now.state, now.may_try) == (OrganisationState.RUNNING, True)


async def test_a_replica_that_was_well_a_moment_ago_ends_an_outage_that_another_reported(
    host: Host, new_organisation: NewOrganisation
) -> None:
    well, unwell = new_organisation(), new_organisation()
    await well.answered()
    for _ in range(BREAKER_OPENS_AT):
        await unwell.failed(OUTAGE)
    host.interfere("UPDATE zoho_outbox_private.organisation SET probe_at = now()")
    assert (await well.now()).may_try
    await well.answered()
    assert (await well.now()).state is OrganisationState.RUNNING


async def test_a_pause_in_a_transaction_that_is_left_open_holds_up_no_good_reply(
    host: Host, organisation: OrganisationStore
) -> None:
    with host.transaction(OPERATOR) as operator:
        operator.execute("SELECT public.zoho_outbox_pause('lunch')")
        await organisation.answered()
        operator.rollback()
    assert host.value("SELECT last_good_reply_at FROM zoho_outbox_private.organisation") is None
    await organisation.answered()
    assert host.value("SELECT last_good_reply_at FROM zoho_outbox_private.organisation") is not None


async def test_a_refusal_of_one_row_is_no_trouble_of_the_organisation(organisation: OrganisationStore) -> None:
    assert not await organisation.failed(REFUSED)
    assert (await organisation.now()).state is OrganisationState.RUNNING


async def test_a_refusal_of_credentials_parks_everything_and_is_logged_once_over_all_replicas(
    new_organisation: NewOrganisation,
) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            assert await new_organisation().failed(AUTH)
    assert [(line["event"], line["log_level"]) for line in logs] == [("organisation.forbidden", "error")]
    now = await new_organisation().now()
    assert (now.state, now.may_try) == (OrganisationState.FORBIDDEN, False)
    assert now.why is not None
    assert "give it the scope" in now.why


async def test_a_new_process_tries_at_once_after_a_refusal(organisation: OrganisationStore) -> None:
    await organisation.failed(AUTH)
    await organisation.probe_at_once()
    assert (await organisation.now()).may_try


async def test_a_throttle_lasts_as_long_as_zoho_asked_and_a_shorter_one_does_not_end_it(
    organisation: OrganisationStore,
) -> None:
    with capture_logs() as logs:
        assert await organisation.failed(throttled(3600))
        assert await organisation.failed(throttled(60))
    assert [line["event"] for line in logs] == ["organisation.throttled"]
    now = await organisation.now()
    assert now.state is OrganisationState.THROTTLED
    assert now.until is not None
    assert timedelta(minutes=55) < now.until - datetime.now(UTC) <= timedelta(hours=1)


async def test_a_day_that_is_used_up_lasts_until_midnight_and_is_asked_after_an_hour_at_most(
    organisation: OrganisationStore,
) -> None:
    await organisation.failed(throttled(None, FailureKind.THROTTLED_DAY))
    until = (await organisation.now()).until
    assert until is not None
    zone = ZoneInfo("Africa/Johannesburg")
    now = datetime.now(zone)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert abs(until - min(midnight, now + timedelta(hours=1))) < timedelta(minutes=1)


async def test_a_throttle_that_is_over_lets_everybody_try(host: Host, organisation: OrganisationStore) -> None:
    await organisation.failed(throttled(60))
    host.interfere("UPDATE zoho_outbox_private.organisation SET throttled_until = now()")
    assert (await organisation.now()).state is OrganisationState.RUNNING


async def test_a_pause_outranks_everything_and_outlasts_a_good_reply(
    host: Host, organisation: OrganisationStore
) -> None:
    await organisation.failed(AUTH)
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_pause('month end')")
    await organisation.answered()
    now = await organisation.now()
    assert (now.state, now.may_try, now.why) == (
        OrganisationState.PAUSED,
        False,
        "paused by finance_operator: month end",
    )
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_resume()")
    assert (await organisation.now()).state is OrganisationState.RUNNING


async def test_a_change_that_many_see_at_once_is_told_by_one(host: Host, new_organisation: NewOrganisation) -> None:
    with host.operator() as operator, capture_logs() as logs:
        for statement in ("SELECT zoho_outbox_pause('month end')", "SELECT zoho_outbox_resume()"):
            operator.execute(statement)
            assert not (await new_organisation().now()).is_told
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(new_organisation().tell)
            assert (await new_organisation().now()).is_told
    assert [line["event"] for line in logs] == ["organisation.paused", "organisation.running"]
    assert logs[1]["after"] == "paused"


async def test_a_throttle_that_ends_by_itself_is_told_once(host: Host, new_organisation: NewOrganisation) -> None:
    with capture_logs() as logs:
        await new_organisation().failed(throttled(60))
        host.interfere("UPDATE zoho_outbox_private.organisation SET throttled_until = now()")
        for _ in range(3):
            await new_organisation().tell()
    assert [line["event"] for line in logs] == ["organisation.throttled", "organisation.running"]


async def test_what_is_used_up_is_told_once_with_its_end_and_once_that_it_is_open_again(
    host: Host, new_organisation: NewOrganisation
) -> None:
    until = datetime.now(UTC) + timedelta(hours=3)
    stop = SendingStopped(OrganisationState.THROTTLED, "the day's quota is used up", until, is_told=False)
    with capture_logs() as logs:
        for _ in range(3):
            await new_organisation().used_up(stop)
            await new_organisation().tell()
        assert [(line["event"], line["reason"]) for line in logs] == [("budget.spent", stop.reason)]
        host.interfere("UPDATE zoho_outbox_private.organisation SET stop_told_until = now()")
        assert not (await new_organisation().now()).is_told
        for _ in range(3):
            await new_organisation().tell()
    assert [line["event"] for line in logs] == ["budget.spent", "budget.open"]
    assert logs[1]["after"] == stop.reason


async def test_a_refusal_that_was_on_its_way_does_not_push_the_next_probe_further(
    host: Host, organisation: OrganisationStore
) -> None:
    await organisation.failed(AUTH)
    await organisation.probe_at_once()
    await organisation.failed(AUTH)
    assert (await organisation.now()).may_try


async def test_a_reply_that_was_under_way_when_somebody_was_refused_does_not_end_the_refusal(
    organisation: OrganisationStore,
) -> None:
    await organisation.failed(AUTH)
    await organisation.answered(seconds=5.0)
    assert (await organisation.now()).state is OrganisationState.FORBIDDEN
    await organisation.answered()
    assert (await organisation.now()).state is OrganisationState.RUNNING
