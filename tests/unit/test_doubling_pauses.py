"""Pauses that double do so for as long as anybody waits."""

import pytest

from daemon.gate import doubled


@pytest.mark.parametrize(
    ("times", "seconds"), [(0, 1.0), (1, 2.0), (4, 16.0), (5, 30.0), (6, 30.0), (1_100, 30.0), (10**9, 30.0)]
)
def test_a_pause_doubles_up_to_its_longest_and_stays_there(times: int, seconds: float) -> None:
    assert doubled(1.0, times, 30.0) == seconds
