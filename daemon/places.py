"""How many claims may be in hand, and of which urgency.

As many attempts as requests may be in flight, and a few more, which only live changes may take: so a backfill that
fills the line for permission never keeps a live change from standing in it. A place is free when its attempt has ended,
not when that is settled.

Claimed ahead, beyond the places, is what the last tenth of a second finished: 100 at a thousand a second, none where
Zoho's quota is the wall and a row that was read early would only be stale. What was claimed ahead may turn out to wait
for permission all the same (a resync comes to rows that changed); it never takes a live change's place.
"""

from collections import deque
from collections.abc import Iterable
from uuid import UUID

from outbox.clock import Clock

LIVE_PLACES = 2
"""Beyond the concurrency, for live changes only."""

AHEAD_SECONDS = 0.1
MOST_AHEAD = 100
"""Claimed beyond the places: what was finished within so many seconds, and no more than so many."""


class Places:
    """Counts attempts that are under way, and those that ended just now."""

    def __init__(self, concurrency: int, clock: Clock) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._live: set[UUID] = set()
        """Claims in the live places, by token, until their attempts end."""
        self._ended_at: deque[float] = deque(maxlen=MOST_AHEAD)
        self.under_way = 0

    def take_for_live(self, tokens: Iterable[UUID]) -> None:
        """These claims stand in live places."""
        self._live.update(tokens)

    def begin(self) -> None:
        """An attempt begins."""
        self.under_way += 1

    def end(self, token: UUID) -> bool:
        """An attempt ended; whether that makes a claim worth while."""
        self.under_way -= 1
        self._ended_at.append(self._clock.monotonic())
        was_live = token in self._live
        self.leave(token)
        return was_live or self.room >= self.refill

    def leave(self, token: UUID) -> None:
        """A claim stands in no live place (any more): its attempt ended, or never began."""
        self._live.discard(token)

    @property
    def room(self) -> int:
        """For claims of whatever urgency; below zero where what was claimed ahead still waits for its permission."""
        since = self._clock.monotonic() - AHEAD_SECONDS
        while self._ended_at and self._ended_at[0] < since:
            self._ended_at.popleft()
        return self._concurrency + len(self._ended_at) - self.under_way

    @property
    def live_room(self) -> int:
        """For live changes: whatever else is in hand, as many as there are places of theirs."""
        return max(0, self.room) + LIVE_PLACES - len(self._live)

    @property
    def refill(self) -> int:
        """Less room than that is not worth a claim: the places themselves are taken, and half of what is ahead."""
        return max(1, len(self._ended_at) // 2)
