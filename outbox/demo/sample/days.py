"""Dates of the sample, all of them relative to the day on which it is played: it must come out alike on every day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Africa/Johannesburg")
"""Where CircleTel is; Zoho's dates are of this zone."""


@dataclass(frozen=True)
class Days:
    """A calendar around ``today``. Days of a month are 1 to 28, as the host's billing days."""

    today: date

    @classmethod
    def now(cls) -> "Days":
        """Around the present day at CircleTel."""
        return cls(datetime.now(ZONE).date())

    def ago(self, days: int) -> date:
        """So many days before today."""
        return self.today - timedelta(days=days)

    def ahead(self, days: int) -> date:
        """So many days after today."""
        return self.today + timedelta(days=days)

    def last(self, day: int) -> date:
        """The latest such day of a month that is not after today."""
        this = self.today.replace(day=day)
        if this <= self.today:
            return this
        return (self.today.replace(day=1) - timedelta(days=1)).replace(day=day)

    def next(self, day: int) -> date:
        """The first such day of a month that is after today."""
        this = self.today.replace(day=day)
        if this > self.today:
            return this
        return (self.today.replace(day=28) + timedelta(days=4)).replace(day=day)

    @property
    def another_day(self) -> int:
        """A day of the month that is not today's: what begins today on its billing day is billed at once."""
        return 20 if self.today.day == 25 else 25


def at(day: date, utc: str) -> datetime:
    """A moment of ``day`` as the host stores it: '22:30' is half past midnight of the next day in Johannesburg."""
    return datetime.combine(day, time.fromisoformat(utc), UTC)
