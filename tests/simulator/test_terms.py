from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.simulator.diary import Diary
from outbox.simulator.terms import Interval, add_months

MONTHLY = Interval(1, "months")
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 12, 31))
INTERVALS = st.builds(Interval, st.integers(min_value=1, max_value=14), st.sampled_from(["months", "years"]))


def test_a_month_that_is_too_short_ends_a_term_on_its_last_day() -> None:
    assert [MONTHLY.after(date(2027, 1, 31), number) for number in range(5)] == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
        date(2027, 5, 31),
    ]


def test_the_leap_day_comes_back() -> None:
    yearly = Interval(1, "years")
    assert [yearly.after(date(2028, 2, 29), number) for number in (1, 4)] == [date(2029, 2, 28), date(2032, 2, 29)]


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2027, 1, 30), -11, date(2026, 2, 28)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 11, 20), 24, date(2028, 11, 20)),
    ],
)
def test_months_are_calendar_months(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


@given(DAYS, INTERVALS, st.integers(min_value=0, max_value=4000))
def test_a_day_lies_in_the_term_of_its_number(anchor: date, interval: Interval, days: int) -> None:
    day = date.fromordinal(anchor.toordinal() + days)
    number = interval.number_on(anchor, day)
    assert interval.after(anchor, number) <= day < interval.after(anchor, number + 1)


def test_no_term_holds_a_day_before_the_first() -> None:
    with pytest.raises(ValueError, match="before the first term"):
        MONTHLY.number_on(date(2026, 11, 2), date(2026, 11, 1))


def test_a_diary_gives_the_earliest_first_and_each_once() -> None:
    diary = Diary()
    for key, day in (("b", "2026-12-02"), ("a", "2026-12-01"), ("c", "2026-12-04")):
        diary.note(key, day)
    assert [diary.take("2026-12-03") for _ in range(3)] == ["a", "b", None]
    assert diary.take("2026-12-04") == "c"


def test_a_diary_knows_the_last_day_alone() -> None:
    diary = Diary()
    diary.note("moved", "2026-12-01")
    diary.note("moved", "2026-12-05")
    diary.note("gone", "2026-12-01")
    diary.note("gone", "")
    assert diary.take("2026-12-04") is None
    assert diary.take("2026-12-05") == "moved"
    assert diary.take("2026-12-05") is None
