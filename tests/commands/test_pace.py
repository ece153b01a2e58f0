"""How often a command counts the run that it follows: a twentieth of the time, and soon after its end."""

from dataclasses import dataclass, field

import anyio
import pytest

from outbox.clock import ManualClock
from outbox.commands import pace
from outbox.commands.pace import LEAST_SECONDS, MOST_SECONDS, Pace

pytestmark = pytest.mark.anyio


@dataclass
class Followed:
    """A run of which so many come to rest in a second, and which takes so long to count."""

    clock: ManualClock
    entries: int
    in_a_second: float
    count_seconds: float
    pauses: list[float] = field(default_factory=list)
    ended_after: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)
        await anyio.lowlevel.checkpoint()

    async def follow(self) -> float:
        """Until nothing moves; returns how long that had been so."""
        paced, begun = Pace(self.clock), self.clock.monotonic()
        while True:
            paced.begin()
            self.clock.advance(self.count_seconds)
            passed = self.clock.monotonic() - begun
            moving = max(self.entries - int(passed * self.in_a_second), 0)
            if not moving:
                return passed - self.entries / self.in_a_second
            await paced.pause(moving)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Followed:
    followed = Followed(ManualClock(), entries=100_000, in_a_second=400.0, count_seconds=0.4)
    monkeypatch.setattr(pace, "sleep", followed.sleep)
    return followed


async def test_a_small_run_is_counted_twice_a_second(followed: Followed) -> None:
    followed.entries, followed.count_seconds = 1_000, 0.004
    await followed.follow()
    assert set(followed.pauses) == {LEAST_SECONDS}


async def test_a_long_run_is_counted_for_a_twentieth_of_the_time_and_its_end_is_seen_at_once(
    followed: Followed,
) -> None:
    late = await followed.follow()
    assert late <= 2 * LEAST_SECONDS + followed.count_seconds
    # 250 s: every half a second, it was counted 280 times.
    times = len(followed.pauses) + 1
    assert times <= 40
    assert times * followed.count_seconds <= 0.06 * (followed.entries / followed.in_a_second)


async def test_its_progress_goes_on_moving(followed: Followed) -> None:
    followed.count_seconds = 60.0
    followed.in_a_second = 10.0
    await followed.follow()
    assert max(followed.pauses) == MOST_SECONDS


async def test_one_that_stands_still_is_counted_no_oftener(followed: Followed) -> None:
    paced = Pace(followed.clock)
    for _ in range(5):
        paced.begin()
        followed.clock.advance(0.4)
        await paced.pause(3)
    assert followed.pauses == [pytest.approx(8.0)] * 5


async def test_where_nothing_moves_the_count_that_makes_sure_of_it_comes_soon(followed: Followed) -> None:
    paced = Pace(followed.clock)
    paced.begin()
    followed.clock.advance(0.4)
    await paced.pause(0)
    assert followed.pauses == [LEAST_SECONDS]
