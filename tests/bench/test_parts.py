"""Each part still runs with tiny numbers, and tells what it should."""

from collections import Counter

import pytest

from tests.bench.backfill import measure_backfill
from tests.bench.quota import measure_quota
from tests.bench.resources import Idle, measure_resources
from tests.bench.simulator_drain import measure_simulator_drain
from tests.bench.tokens import measure_tokens


def test_tokens_of_a_day() -> None:
    report = measure_tokens(quick=True)
    assert report.missed == []
    assert int(report.values["tokens minted"]) >= 24


@pytest.mark.slow
def test_quota_of_a_moment() -> None:
    found = measure_quota(quick=True).values
    assert found["refused (429)"] == found["created twice"] == "0"
    assert "backlog left at the end" not in found


@pytest.mark.slow
def test_resources_of_a_moment() -> None:
    found = measure_resources(quick=True).values
    assert found["resident memory, idle"].endswith(" MB")
    # The listener's probe, the heartbeat and the maintenance are known by their names.
    assert {"  register_session", "  reclaim_expired", "  SELECT pg_notify($, $)"} <= found.keys()


@pytest.mark.slow
def test_a_backfill_of_a_few() -> None:
    found = measure_backfill(quick=True, customers=40).values
    assert found["requests to Zoho per customer"] == "1.050"  # Who we are, and one page of a list.
    assert {"  enqueueing", "  sending", "CPU: the command", "CPU: PostgreSQL", "  settle_claims"} <= found.keys()


@pytest.mark.slow
def test_a_drain_of_a_few_against_the_simulator() -> None:
    found = measure_simulator_drain(entities=30).values
    assert int(found["entities per second"].replace(",", "")) > 0
    assert float(found["statements per entity"]) > 1


def test_a_statement_that_is_asked_every_ten_seconds_is_not_too_often_and_every_five_is() -> None:
    calls = Counter({"heartbeat": 13, "status": 24, "BEGIN": 60})
    assert Idle(120.0, 0.3, 90_000_000, calls).too_often == ["status"]


def test_idle_cpu_is_told_as_a_share_of_one_core() -> None:
    assert Idle(120.0, 0.6, 90_000_000, Counter()).cpu_percent == 0.5
