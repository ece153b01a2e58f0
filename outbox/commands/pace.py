"""How often a command counts the run that it follows.

It counts the whole run: at 100,000 entries 150,000 pages, 0.4 s on two busy cores. Every half a second, that was half
of what the database did. Counting only what changed since would need an index that every captured change pays for; so a
long run is counted more seldom, and about its end as often as a short one.
"""

from anyio import sleep

from outbox.clock import Clock

LEAST_SECONDS = 0.5
MOST_SECONDS = 10.0

TIMES_AS_LONG = 20
"""A pause is so many times as long as the counting before it took: counting has a twentieth of the time until near the
end, and more only where MOST_SECONDS cuts the pause."""


class Pace:
    """Of counting one type's entries again and again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = clock.monotonic()
        self._before: tuple[float, int] | None = None
        """When the count before was begun, and what it found moving."""

    def begin(self) -> None:
        """Counting begins."""
        self._begun = self._clock.monotonic()

    async def pause(self, moving: int) -> None:
        """From the end of a count that found so many entries moving to the next."""
        took = self._clock.monotonic() - self._begun
        seconds = min(TIMES_AS_LONG * took, MOST_SECONDS)
        if (left := self._seconds_left(moving)) is not None:
            # Half of the way to the end, and half of the rest: it is seen soon after it is there.
            seconds = min(seconds, left / 2)
        self._before = self._begun, moving
        await sleep(max(seconds, LEAST_SECONDS))

    def _seconds_left(self, moving: int) -> float | None:
        """As fast as since the count before; None: nothing came to rest since."""
        if not moving:
            # It ends with the next count, if that finds the same.
            return 0.0
        if self._before is None:
            return None
        begun, moved = self._before
        return moving * (self._begun - begun) / (moved - moving) if moved > moving else None
