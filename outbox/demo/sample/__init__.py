"""The sample data, as data: CircleTel's production customers by account number, with invented names, and all that hangs
on them. Each row declares where it must stand at the end.

- :mod:`outbox.demo.sample.rows`, :mod:`outbox.demo.sample.ends`: the host's rows, and where a row may end.
- :mod:`outbox.demo.sample.packages`, :mod:`outbox.demo.sample.customers`, :mod:`outbox.demo.sample.services`,
  :mod:`outbox.demo.sample.invoices`, :mod:`outbox.demo.sample.payments`: the data.
- :mod:`outbox.demo.sample.before`: what was in Zoho before.
- :mod:`outbox.demo.sample.acts`, :mod:`outbox.demo.sample.story`: what may happen, and what does, in which order.
- :mod:`outbox.demo.sample.days`: dates, relative to the day on which it is played.
"""

from dataclasses import dataclass

from outbox.demo.sample.acts import Act, at_the_end
from outbox.demo.sample.before import Planted, in_zoho_before
from outbox.demo.sample.days import Days
from outbox.demo.sample.invoices import invoices
from outbox.demo.sample.payments import payments
from outbox.demo.sample.rows import SentRow
from outbox.demo.sample.services import services
from outbox.demo.sample.story import acts


@dataclass(frozen=True)
class Sample:
    """All of it."""

    before: tuple[Planted, ...]
    """In Zoho."""
    acts: tuple[Act, ...]

    def rows(self) -> list[SentRow]:
        """As the host has them at the end."""
        return at_the_end(self.acts)


def sample(days: Days) -> Sample:
    """The sample as it is played on that day."""
    sold = services(days)
    raised = invoices(days, sold)
    paid = payments(days, raised)
    return Sample(in_zoho_before(days, sold), acts(days, sold, raised, paid))
