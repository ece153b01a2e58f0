"""The bookkeeping of places, on a clock that the test moves."""

from uuid import uuid4

import pytest

from daemon.places import AHEAD_SECONDS, LIVE_PLACES, MOST_AHEAD, Places
from outbox.clock import ManualClock

CONCURRENCY = 5


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def places(clock: ManualClock) -> Places:
    return Places(CONCURRENCY, clock)


def pass_through(places: Places, count: int) -> None:
    for _ in range(count):
        places.begin()
        places.end(uuid4())


def test_what_ended_just_now_may_be_claimed_ahead_and_no_more_than_so_much(places: Places, clock: ManualClock) -> None:
    assert (places.room, places.refill) == (CONCURRENCY, 1)
    pass_through(places, 30)
    assert (places.room, places.refill) == (CONCURRENCY + 30, 15)
    pass_through(places, 10 * MOST_AHEAD)
    assert (places.room, places.refill) == (CONCURRENCY + MOST_AHEAD, MOST_AHEAD // 2)
    clock.advance(2 * AHEAD_SECONDS)
    assert (places.room, places.refill) == (CONCURRENCY, 1)


def test_what_was_claimed_ahead_takes_no_live_place(places: Places, clock: ManualClock) -> None:
    pass_through(places, MOST_AHEAD)
    for _ in range(places.room):
        places.begin()
    clock.advance(2 * AHEAD_SECONDS)
    assert places.room == -MOST_AHEAD
    assert places.live_room == LIVE_PLACES


def test_a_live_place_is_taken_until_its_attempt_ends_and_that_is_worth_a_claim(places: Places) -> None:
    for _ in range(CONCURRENCY):
        places.begin()
    live = [uuid4() for _ in range(LIVE_PLACES)]
    places.take_for_live(live)
    for _ in live:
        places.begin()
    assert places.live_room == 0
    assert places.end(live[0])
    assert places.live_room > 0


def test_a_claim_that_never_began_leaves_its_live_place(places: Places) -> None:
    for _ in range(CONCURRENCY):
        places.begin()
    token = uuid4()
    places.take_for_live([token])
    assert places.live_room == LIVE_PLACES - 1
    places.leave(token)
    assert places.live_room == LIVE_PLACES
