"""Terms of subscriptions: calendar-month arithmetic, as pure functions of dates."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Literal

MONTHS_IN_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Interval:
    """How long a term is: a plan's interval and interval_unit."""

    count: int
    unit: Literal["months", "years"]

    def after(self, anchor: date, terms: int) -> date:
        """The day on which term number `terms` (from 0) begins, where term 0 begins on `anchor`.

        Counted from the anchor and never from the term before: 31 January, 28 February, 31 March.
        """
        return add_months(anchor, terms * self.count * (MONTHS_IN_A_YEAR if self.unit == "years" else 1))

    def number_on(self, anchor: date, day: date) -> int:
        """The number of the term that holds `day`. Raises ValueError where `day` is before `anchor`."""
        if day < anchor:
            raise ValueError(f"{day} is before the first term, which begins on {anchor}")
        months = self.count * (MONTHS_IN_A_YEAR if self.unit == "years" else 1)
        number = ((day.year - anchor.year) * MONTHS_IN_A_YEAR + day.month - anchor.month) // months
        return number if self.after(anchor, number) <= day else number - 1


@dataclass(slots=True)
class Course:
    """Where a subscription stands in its terms, beside what its GET shows."""

    anchor: date
    """The day from which terms are counted."""
    begun: int = 0
    """Terms that began since `anchor`, the present one included."""
    cycles: int = 0
    """Terms that began in all, for billing_cycles."""
    owes_setup_fee: bool = True


def add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last day where it is shorter."""
    year, month = divmod(day.year * MONTHS_IN_A_YEAR + day.month - 1 + months, MONTHS_IN_A_YEAR)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
