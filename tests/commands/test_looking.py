"""How often a command looks at the run that it follows: a twentieth of the time, and soon after its end."""

from dataclasses import dataclass, field

import anyio
import pytest

from outbox.clock import ManualClock
from outbox.commands import looking
from outbox.commands.looking import LEAST_SECONDS, MOST_SECONDS, Looks

pytestmark = pytest.mark.anyio


@dataclass
class Followed:
    """A run of which so many come to rest in a second, and of which a look takes so long."""

    clock: ManualClock
    entries: int
    pace: float
    look_seconds: float
    pauses: list[float] = field(default_factory=list)
    ended_after: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)
        await anyio.lowlevel.checkpoint()

    async def follow(self) -> float:
        """Until nothing moves; returns how long that had been so."""
        looks, begun = Looks(self.clock), self.clock.monotonic()
        while True:
            looks.begin()
            self.clock.advance(self.look_seconds)
            passed = self.clock.monotonic() - begun
            moving = max(self.entries - int(passed * self.pace), 0)
            if not moving:
                return passed - self.entries / self.pace
            await looks.pause(moving)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Followed:
    followed = Followed(ManualClock(), entries=100_000, pace=400.0, look_seconds=0.4)
    monkeypatch.setattr(looking, "sleep", followed.sleep)
    return followed


async def test_a_small_run_is_looked_at_twice_a_second(followed: Followed) -> None:
    followed.entries, followed.look_seconds = 1_000, 0.004
    await followed.follow()
    assert set(followed.pauses) == {LEAST_SECONDS}


async def test_a_long_run_is_looked_at_for_a_twentieth_of_the_time_and_its_end_is_seen_at_once(
    followed: Followed,
) -> None:
    late = await followed.follow()
    assert late <= 2 * LEAST_SECONDS + followed.look_seconds
    # 250 s: every half a second, these were 280 looks.
    looks = len(followed.pauses) + 1
    assert looks <= 40
    assert looks * followed.look_seconds <= 0.06 * (followed.entries / followed.pace)


async def test_its_progress_goes_on_moving(followed: Followed) -> None:
    followed.look_seconds = 60.0
    followed.pace = 10.0
    await followed.follow()
    assert max(followed.pauses) == MOST_SECONDS


async def test_one_that_stands_still_is_looked_at_no_oftener(followed: Followed) -> None:
    looks = Looks(followed.clock)
    for _ in range(5):
        looks.begin()
        followed.clock.advance(0.4)
        await looks.pause(3)
    assert followed.pauses == [pytest.approx(8.0)] * 5


async def test_where_nothing_moves_the_look_that_makes_sure_of_it_comes_soon(followed: Followed) -> None:
    looks = Looks(followed.clock)
    looks.begin()
    followed.clock.advance(0.4)
    await looks.pause(0)
    assert followed.pauses == [LEAST_SECONDS]
