"""What this process did, counted. Knows nothing of who reads it (:mod:`daemon.web.metrics`), and costs an addition."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import assert_never

from outbox.sending.attempt import Ended
from outbox.store.verdicts import Claim, Show, Verdict
from outbox.vocabulary import EntityType, EntryStatus, Outcome, Urgency

DURATION_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds. Zoho answers in a second or two; health calls a mean of 5 degraded, and a request ends after 30."""


class Durations:
    """How long attempts took: how many up to each bound, and their sum."""

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BOUNDS) + 1)
        """Between two bounds each; the last one is beyond all."""
        self.sum_seconds = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self.sum_seconds += seconds


class Meter:
    """Counters since the process started."""

    def __init__(self) -> None:
        self.claims: Counter[EntityType] = Counter()
        self.results: Counter[tuple[EntityType, str]] = Counter()
        """By type and :func:`result_of`."""
        self.durations: dict[EntityType, Durations] = {entity_type: Durations() for entity_type in EntityType}
        """Of attempts that asked Zoho anything."""
        self.api_calls: Counter[str] = Counter()
        """Requests of attempts, by the urgency of what they were for."""
        self.verified_totals: Counter[tuple[EntityType, bool]] = Counter()
        """By type, and whether Zoho's total was the row's."""
        self.takeovers: Counter[EntityType] = Counter()
        """Expired leases that this process took over."""

    def claimed(self, claims: Iterable[Claim]) -> None:
        """These were claimed."""
        for claim in claims:
            self.claims[claim.entity_type] += 1

    def settled(self, ended: Ended) -> None:
        """This attempt's verdict was recorded."""
        self._ended(ended, result_of(ended.verdict))

    def refused(self, ended: Ended) -> None:
        """This attempt's verdict came too late: its lease had been taken over."""
        self._ended(ended, "refused")

    def took_over(self, entity_type: EntityType) -> None:
        """An expired lease."""
        self.takeovers[entity_type] += 1

    def _ended(self, ended: Ended, result: str) -> None:
        claim, log = ended.verdict.claim, ended.verdict.log
        self.results[claim.entity_type, result] += 1
        if ended.off_by is not None:
            self.verified_totals[claim.entity_type, not ended.off_by] += 1
        if log is not None and log.api_calls:
            self.api_calls[urgency_name(claim.urgency)] += log.api_calls
            self.durations[claim.entity_type].add(log.duration_ms / 1000)


RESULTS = ("sent", "unchanged", "skipped", "waiting", "dead", "retried", "returned", "refused")


def result_of(verdict: Verdict) -> str:
    """One word for how an attempt ended: of :data:`RESULTS`, 'refused' apart."""
    match verdict.entry_status:
        case EntryStatus.DONE:
            return "sent" if verdict.outcome is Outcome.SENT else "unchanged"
        case EntryStatus.SKIPPED:
            return "skipped"
        case EntryStatus.WAITING:
            return "waiting"
        case EntryStatus.DEAD:
            return "dead"
        case EntryStatus.PENDING if verdict.show is Show.RETRYING:
            return "retried"
        case EntryStatus.PENDING | EntryStatus.PROCESSING:
            return "returned"
        case _:
            assert_never(verdict.entry_status)


def urgency_name(urgency: int) -> str:
    """As people read it: live, bulk, retry, backfill, reconcile."""
    try:
        return Urgency(urgency).name.lower()
    except ValueError:
        return str(urgency)
