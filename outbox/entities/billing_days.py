"""When Zoho begins to bill a service (decisions.md, Subscriptions): pure functions of dates.

The host bills a service pro rata up to its first billing day, and by the month until Zoho takes over. So Zoho begins on
the first billing day that nobody has billed, and never in the past: a past start would raise an invoice at once.
"""

from dataclasses import dataclass
from datetime import date, timedelta

LAST_BILLING_DAY = 28
"""Of the host's CHECK: every month has it."""

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Start:
    """The day on which Zoho begins, and the first day that nobody billed where one was missed."""

    day: date
    missed: date | None = None


def first_on_or_after(day: date, billing_day: int) -> date:
    """The first ``billing_day`` of a month that is not before ``day``.

    Raises ``ValueError`` where ``billing_day`` is not 1 to 28, and after the calendar's end.
    """
    if not 1 <= billing_day <= LAST_BILLING_DAY:
        raise ValueError(f"{billing_day} is no billing day")
    if day.day <= billing_day:
        return day.replace(day=billing_day)
    if day.month == 12:
        return date(day.year + 1, 1, billing_day)
    return date(day.year, day.month + 1, billing_day)


def first_after(day: date, billing_day: int) -> date:
    """The first ``billing_day`` of a month that comes after ``day``. Raises ``ValueError``, as above."""
    if day == date.max:
        raise ValueError(f"no day comes after {day}")
    return first_on_or_after(day + DAY, billing_day)


def first_due(billing_day: int, last_invoice_date: date | None, activation_date: date | None) -> date | None:
    """The first billing day that the host has not billed: strictly after ``last_invoice_date``, else the first on or
    after ``activation_date``; None: neither is known."""
    if last_invoice_date is not None:
        return first_after(last_invoice_date, billing_day)
    return None if activation_date is None else first_on_or_after(activation_date, billing_day)


def first_start(
    billing_day: int, last_invoice_date: date | None, activation_date: date | None, today: date, *, today_is_late: bool
) -> Start | None:
    """When Zoho begins to bill a service that it never billed; None: neither date is known.

    :func:`first_due`; where that day is past (or today and ``today_is_late``: a backfill raises no invoice), the next
    billing day after today.
    """
    due = first_due(billing_day, last_invoice_date, activation_date)
    if due is None:
        return None
    if due > today or (due == today and not today_is_late):
        return Start(due)
    return Start(first_after(today, billing_day), missed=due)


def next_start(billing_day: int, last_invoice_date: date | None, activation_date: date | None, today: date) -> date:
    """When Zoho begins to bill a service again whose subscription had ended: the next billing day after today.

    Later where the host has billed beyond that day already, or the service is to be active later. What was not billed
    before is nobody's oversight: the service was cancelled.
    """
    start = first_start(billing_day, last_invoice_date, activation_date, today, today_is_late=True)
    return first_after(today, billing_day) if start is None else start.day
