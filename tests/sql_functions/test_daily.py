"""zoho_sync_daily: what happened by day, in the zone of the quota (interface.md, SQL)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest

from outbox.settings import Settings
from outbox.store.budget import SharedBudget
from outbox.store.organisation import OrganisationStore
from outbox.vocabulary import FailureClass, Urgency
from outbox.zoho.failures import Failure, FailureKind
from tests.host.shapes import API_ROLES, HostShape
from tests.migration.migrated import DAEMON
from tests.sql_functions.asking import ask
from tests.store.conftest import new_settings
from tests.store.host import Host, Row

pytestmark = pytest.mark.anyio

ALL: LiteralString = "SELECT * FROM public.zoho_sync_daily"


def log(
    host: Host, at: str, status: str, *, entity_type: str = "customer", ms: int | None = 100, calls: int = 1
) -> None:
    host.interfere(
        "INSERT INTO public.zoho_sync_logs (entity_type, entity_id, zoho_entity_type, status, created_at, duration_ms, "
        "api_calls, outbox_id) VALUES (%s, %s, 'Contacts', %s, %s, %s, %s, 1)",
        [entity_type, uuid4(), status, at, ms, calls],
    )


def asked_in(host: Host, zone: str) -> None:
    host.interfere("UPDATE zoho_outbox_private.request_budget SET time_zone = %s", [zone])


def lines(host: Host) -> dict[tuple[date, str], Row]:
    return {(row["day"], row["entity_type"]): row for row in ask(host, ALL)}


def figures(row: Row, names: str) -> Sequence[Any]:
    return [row[name] for name in names.split()]


def test_counts_and_percents_stand_by_type_and_for_all(host: Host) -> None:
    for status, number in (("success", 6), ("failed", 2), ("retrying", 2)):
        for _ in range(number):
            log(host, "2026-01-15 10:00+00", status)
    log(host, "2026-01-15 11:00+00", "success", entity_type="invoice", calls=3)
    told = lines(host)
    day = date(2026, 1, 15)
    assert set(told) == {(day, "all"), (day, "customer"), (day, "invoice")}
    counts = "attempts success failed retrying success_percent failed_percent retrying_percent success_rate"
    assert figures(told[day, "customer"], counts) == [
        *(10, 6, 2, 2),
        *(Decimal("60.0"), Decimal("20.0"), Decimal("20.0"), Decimal("75.0")),
    ]
    assert figures(told[day, "all"], "attempts success attempts_requests") == [11, 7, 13]
    assert figures(told[day, "invoice"], "attempts success_rate attempts_requests") == [1, Decimal("100.0"), 3]


def test_days_and_hours_are_those_of_the_quota_s_zone(host: Host) -> None:
    asked_in(host, "Africa/Johannesburg")
    for at in ("2026-01-15 21:59+00", "2026-01-15 22:00+00", "2026-01-15 22:30+00", "2026-01-16 05:00+00"):
        log(host, at, "success")
    told = lines(host)
    assert {key: row["attempts"] for key, row in told.items() if key[1] == "all"} == {
        (date(2026, 1, 15), "all"): 1,
        (date(2026, 1, 16), "all"): 3,
    }
    assert figures(told[date(2026, 1, 16), "all"], "peak_hour peak_hour_attempts") == [0, 2]


def test_durations_are_told_by_percentile_and_unknown_ones_left_out(host: Host) -> None:
    for milliseconds in range(1, 101):
        log(host, "2026-01-15 10:00+00", "success", ms=milliseconds)
    log(host, "2026-01-15 10:00+00", "retrying", ms=None)
    row = lines(host)[date(2026, 1, 15), "customer"]
    assert figures(row, "mean_ms p50_ms p95_ms p99_ms max_ms attempts") == [
        *(Decimal("50.5"), Decimal("50.5"), Decimal("95.1"), Decimal("99.0"), 100, 101)
    ]


def test_a_day_on_which_nothing_ended_has_no_success_rate(host: Host) -> None:
    log(host, "2026-01-15 10:00+00", "retrying")
    row = lines(host)[date(2026, 1, 15), "all"]
    assert figures(row, "success_rate success_percent") == [None, Decimal("0.0")]


async def test_requests_by_class_and_the_quota_that_was_left_are_recorded_as_they_are_spent(
    host: Host, database: Any, migrated_database: Any
) -> None:
    settings: Settings = new_settings(migrated_database, ZOHO_DAILY_REQUEST_LIMIT="50", ZOHO_REQUESTS_PER_MINUTE="0")
    budget = SharedBudget(database, settings, uuid4())
    for urgency, requests in ((Urgency.LIVE, 1), (Urgency.BULK, 1), (Urgency.BACKFILL, 2)):
        async with budget.permit(urgency) as permit:
            permit.requests = requests
    (row,) = ask(host, ALL)
    assert row["entity_type"] == "all"
    assert figures(row, "requests requests_live requests_bulk requests_retry requests_backfill requests_reconcile") == [
        *(4, 1, 1, 0, 2, 0)
    ]
    assert figures(row, "day_limit least_quota_left attempts rate_limit_hits") == [50, 46, 0, 0]
    assert host.rows("SELECT time_zone, day_limit, reserve_percent FROM zoho_outbox_private.request_budget") == [
        {"time_zone": "Africa/Johannesburg", "day_limit": 50, "reserve_percent": 30}
    ]


async def test_without_a_limit_nothing_is_said_to_be_left(host: Host, database: Any, migrated_database: Any) -> None:
    settings = new_settings(migrated_database, ZOHO_DAILY_REQUEST_LIMIT="0")
    async with SharedBudget(database, settings, uuid4()).permit(Urgency.LIVE) as permit:
        permit.requests = 1
    (row,) = ask(host, ALL)
    assert figures(row, "requests day_limit least_quota_left") == [1, None, None]


async def test_each_refusal_by_rate_is_counted_on_its_day(host: Host, database: Any) -> None:
    organisation = OrganisationStore(database, "Africa/Johannesburg")
    failure = Failure(
        FailureClass.THROTTLED, FailureKind.THROTTLED_MINUTE, "too many", "wait", retry_after_seconds=60.0
    )
    for _ in range(3):
        await organisation.failed(failure)
    (row,) = ask(host, ALL)
    assert figures(row, "entity_type rate_limit_hits requests") == ["all", 3, None]
    assert "too many" in host.value("SELECT last_why FROM zoho_outbox_private.rate_limit_day")


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True, rows=True)], indirect=True)
def test_attempts_of_whatever_wrote_the_log_before_us_are_left_out(host: Host) -> None:
    assert host.value("SELECT count(*) FROM public.zoho_sync_logs") > 0
    assert lines(host) == {}
    log(host, "2026-01-15 10:00+00", "success")
    assert [key[1] for key in lines(host)] == ["all", "customer"]


def test_the_daemon_reads_it_and_no_role_of_the_host_does(host: Host) -> None:
    log(host, "2026-01-15 10:00+00", "success")
    with host.connect(DAEMON) as connection:
        assert len(connection.execute(ALL).fetchall()) == 2
    for role in API_ROLES:
        with psycopg.connect(host.database.superuser_dsn) as connection:
            connection.execute(f"SET ROLE {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(ALL)


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True)], indirect=True)
def test_the_log_s_owner_may_change_its_columns_beside_the_views(host: Host) -> None:
    host.execute("ALTER TABLE public.zoho_sync_logs ALTER COLUMN attempt_number TYPE bigint")
    host.execute("ALTER TABLE public.zoho_sync_logs ALTER COLUMN error_message TYPE varchar")
