"""Urgencies: their order, and numbers of other versions."""

import pytest

from outbox.vocabulary import Urgency


def test_what_goes_first() -> None:
    assert sorted(Urgency) == [
        Urgency.LIVE,
        Urgency.RETRY,
        Urgency.BULK,
        Urgency.BACKFILL,
        Urgency.RECONCILE,
    ]


@pytest.mark.parametrize(
    ("number", "urgency"), [(0, Urgency.LIVE), (15, Urgency.RETRY), (26, Urgency.BACKFILL), (31, Urgency.RECONCILE)]
)
def test_a_number_of_another_version_is_the_next_that_is_less_urgent(number: int, urgency: Urgency) -> None:
    assert Urgency(number) is urgency


def test_a_number_beyond_all_is_refused() -> None:
    with pytest.raises(ValueError, match="41"):
        Urgency(41)
