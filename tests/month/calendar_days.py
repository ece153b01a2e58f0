"""The company's calendar: moments in Johannesburg, and billing periods counted day by day."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Africa/Johannesburg")
DAY = timedelta(days=1)


def moment(text: str) -> datetime:
    """'2028-02-29 23:58' in Johannesburg."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def days(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``; none where that is earlier."""
    while first <= last:
        yield first
        first += DAY


def billing_day_from(day: date, billing_day: int) -> date:
    """The first billing day that is not before ``day``: counted, so that it shares no arithmetic with the mapping."""
    while day.day != billing_day:
        day += DAY
    return day


def billing_day_after(day: date, billing_day: int) -> date:
    """The first billing day after ``day``."""
    return billing_day_from(day + DAY, billing_day)


def last_of_month_from(day: date) -> date:
    """The last day of the month that begins on a billing day."""
    return billing_day_after(day, day.day) - DAY
