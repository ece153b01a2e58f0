"""When Zoho begins to bill: decisions.md, Subscriptions, starts_at."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.entities.billing_days import Start, first_after, first_on_or_after, first_start, next_start

BILLING_DAYS = st.integers(1, 28)
DATES = st.dates(date(2020, 1, 1), date(2040, 12, 31))
TODAY = date(2026, 11, 21)


@given(DATES, BILLING_DAYS)
def test_the_first_billing_day_on_or_after_a_day_leaves_none_out(day: date, billing_day: int) -> None:
    first = first_on_or_after(day, billing_day)
    assert first.day == billing_day
    assert [each for each in _days(day, first) if each.day == billing_day] == []


@given(DATES, BILLING_DAYS)
def test_the_first_billing_day_after_a_day_is_never_that_day(day: date, billing_day: int) -> None:
    first = first_after(day, billing_day)
    assert first.day == billing_day
    assert first > day
    assert [each for each in _days(day + timedelta(days=1), first) if each.day == billing_day] == []


@given(BILLING_DAYS, st.none() | DATES, st.none() | DATES, DATES, st.booleans())
def test_nothing_begins_in_the_past_and_no_missed_day_goes_untold(
    billing_day: int, last_invoice: date | None, activation: date | None, today: date, late: bool
) -> None:
    start = first_start(billing_day, last_invoice, activation, today, today_is_late=late)
    if start is None:
        assert last_invoice is None
        assert activation is None
        return
    assert start.day.day == billing_day
    assert start.day > today or (start.day == today and not late)
    if start.missed is not None:
        assert start.missed <= today
        assert start.day == first_after(today, billing_day)


@pytest.mark.parametrize(
    ("last_invoice", "activation", "day"),
    [
        (date(2026, 11, 5), date(2025, 1, 1), date(2026, 12, 1)),
        (date(2026, 12, 1), date(2025, 1, 1), date(2027, 1, 1)),
        (None, date(2026, 11, 2), date(2026, 12, 1)),
        (None, date(2026, 12, 1), date(2026, 12, 1)),
        (None, date(2026, 12, 2), date(2027, 1, 1)),
    ],
    ids=["billed this month", "billed ahead", "activated", "activated on a billing day", "over the year's end"],
)
def test_a_first_billing_day_to_come_is_the_start(
    last_invoice: date | None, activation: date | None, day: date
) -> None:
    assert first_start(1, last_invoice, activation, TODAY, today_is_late=False) == Start(day)


def test_a_missed_period_is_named_with_what_to_do() -> None:
    start = first_start(1, date(2026, 9, 1), None, TODAY, today_is_late=False)
    assert start is not None
    assert start == Start(date(2026, 12, 1), missed=date(2026, 10, 1))


def test_today_is_a_start_for_a_live_change_and_too_late_for_a_backfill() -> None:
    assert first_start(21, None, TODAY, TODAY, today_is_late=False) == Start(TODAY)
    late = first_start(21, None, TODAY, TODAY, today_is_late=True)
    assert late == Start(date(2026, 12, 21), missed=TODAY)


def test_one_that_had_ended_begins_again_on_the_next_billing_day() -> None:
    assert next_start(21, None, None, TODAY) == date(2026, 12, 21)
    assert next_start(1, date(2024, 3, 1), date(2024, 2, 10), TODAY) == date(2026, 12, 1)


def test_one_that_the_host_billed_ahead_begins_again_after_that() -> None:
    assert next_start(1, date(2026, 12, 1), None, TODAY) == date(2027, 1, 1)


@pytest.mark.parametrize("billing_day", [0, 29, 31, -1])
def test_a_day_that_not_every_month_has_is_refused(billing_day: int) -> None:
    with pytest.raises(ValueError, match="is no billing day"):
        first_on_or_after(TODAY, billing_day)


def test_the_calendar_ends() -> None:
    with pytest.raises(ValueError, match="no day comes after"):
        first_after(date.max, 1)


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]
