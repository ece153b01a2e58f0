"""The clocks that everything is given."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from outbox.clock import ManualClock, SystemClock

JOHANNESBURG = ZoneInfo("Africa/Johannesburg")


def test_the_system_clock_goes_on_and_knows_zones() -> None:
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.monotonic() >= first
    assert clock.now(JOHANNESBURG).utcoffset() == timedelta(hours=2)


def test_a_manual_clock_moves_both_readings_when_told() -> None:
    clock = ManualClock(datetime(2026, 1, 31, 22, 30, tzinfo=UTC))
    before = clock.monotonic()
    assert clock.now(JOHANNESBURG).date().isoformat() == "2026-02-01"
    clock.advance(90)
    assert clock.monotonic() - before == 90
    assert clock.now(UTC) == datetime(2026, 1, 31, 22, 31, 30, tzinfo=UTC)


def test_a_jump_of_the_wall_leaves_the_monotonic_reading() -> None:
    clock = ManualClock()
    before, wall = clock.monotonic(), clock.now(UTC)
    clock.jump_wall(-3600)
    assert clock.monotonic() == before
    assert wall - clock.now(UTC) == timedelta(hours=1)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        ManualClock().advance(-1)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001
