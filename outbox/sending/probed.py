"""Which answers of ``doctor --probe`` the look-ups go by: this organisation's, of the last 90 days.

Zoho changes without notice what no specification has, so an answer does not hold for ever: probe again each quarter.
One that is older, or that was never given, leaves every look-up as it is without answers.
"""

from collections.abc import Mapping
from dataclasses import replace

import anyio

from outbox.entities.contract import Terms
from outbox.entities.probed import Filter, Known
from outbox.store.probe_answers import RecentAnswers

OLDEST_SECONDS = 90 * 86_400.0

MEMORY_SECONDS = 300.0
"""So long the database is not asked again, by this process."""

LONGEST_LAG_SECONDS = 600
"""Taken for '>30': the probe gave up before a list showed what it had made."""


class Probed:
    """Completes terms with what is known of the organisation. One for a process."""

    def __init__(self, answers: RecentAnswers) -> None:
        self._answers = answers
        self._known = Known()
        self._until = float("-inf")
        self._reading = anyio.Lock()

    async def complete(self, terms: Terms) -> Terms:
        """``terms`` with what is known. Raises ``DatabaseUnavailable``."""
        async with self._reading:
            if anyio.current_time() >= self._until:
                self._known = known_by(await self._answers.read(OLDEST_SECONDS))
                self._until = anyio.current_time() + MEMORY_SECONDS
        return replace(terms, known=self._known)


def known_by(answers: Mapping[str, str]) -> Known:
    """Stored words by question. A word that nobody knows here (a newer version's) is as good as none."""
    return Known(
        customers_by_email=_filter(answers.get("customers_by_email")),
        invoices_by_number=_filter(answers.get("invoices_by_number")),
        payments_by_customer=_filter(answers.get("payments_by_customer")),
        payments_by_reference=_filter(answers.get("payments_by_reference")),
        list_lag=_seconds(answers.get("list_lag", "")),
    )


def _filter(word: str | None) -> Filter:
    return next((known for known in Filter if known == word), Filter.UNKNOWN)


def _seconds(figure: str) -> int:
    if figure.startswith(">"):
        return LONGEST_LAG_SECONDS
    return min(int(figure), LONGEST_LAG_SECONDS) if figure.isdecimal() else 0
