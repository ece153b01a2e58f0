"""What ``doctor --probe`` learnt of the organisation that is sent to, as far as look-ups choose by it.

It chooses what is asked, never what is believed: whatever a list shows is compared to the letter, and that a record is
not there is believed to the same lists as where nothing was probed.
"""

from dataclasses import dataclass
from enum import StrEnum


class Filter(StrEnum):
    """What Zoho makes of a parameter that no specification has."""

    UNKNOWN = "unknown"
    HONOURED = "honoured"
    IGNORED = "ignored"
    """The list is everything."""
    REFUSED = "refused"

    @property
    def helps(self) -> bool:
        """It is worth a request: nothing is known against it."""
        return self in (Filter.UNKNOWN, Filter.HONOURED)


@dataclass(frozen=True)
class Known:
    """Called as the questions are (:mod:`outbox.commands.doctor.questions`)."""

    customers_by_email: Filter = Filter.UNKNOWN
    invoices_by_number: Filter = Filter.UNKNOWN
    payments_by_customer: Filter = Filter.UNKNOWN
    payments_by_reference: Filter = Filter.UNKNOWN
    list_lag: int = 0
    """Seconds until lists show what was made; 0 where it is not known."""
