"""How many are in hand, of which urgency, and that the dispatcher rests where there is nothing to do."""

import anyio
import anyio.lowlevel
import pytest

from daemon.dispatcher import MOST_UNSETTLED
from daemon.places import LIVE_PLACES, MOST_AHEAD
from outbox.vocabulary import Urgency
from tests.acceptance.running import until
from tests.dispatching.world import HELD, QUICK, World, claim_of

pytestmark = pytest.mark.anyio

CONCURRENCY = 5


@pytest.fixture
async def world() -> World:
    return World(CONCURRENCY)


def add(world: World, count: int, urgency: Urgency, kind: str) -> None:
    due = world.live if urgency is Urgency.LIVE else world.backfill
    due.extend(claim_of(urgency, kind) for _ in range(count))


async def test_a_live_change_goes_at_once_while_backfills_that_were_claimed_ahead_wait_for_permission(
    world: World,
) -> None:
    # A resync: rows that need no request are done in no time, so that many are claimed ahead; then some that need one.
    add(world, 2000, Urgency.BACKFILL, QUICK)
    add(world, 1000, Urgency.BACKFILL, HELD)
    async with world.at_work():
        await until(lambda: world.ended == 2000, what="the quick ones are done")
        await world.at_rest()
        for _ in range(LIVE_PLACES):
            add(world, 1, Urgency.LIVE, HELD)
            world.dispatcher.wake()
            await until(lambda: not world.live, what="the live change is claimed")
        late = claim_of(Urgency.LIVE, HELD)
        world.live.append(late)
        world.dispatcher.wake()
        await world.at_rest()
        assert len(world.started) == world.ended + world.running
        assert late.entity_id not in world.started, "its places are taken by live changes, and only by them"
        world.let_go()
        await until(lambda: late.entity_id in world.started, what="a place is free again")


@pytest.mark.parametrize("kind", [QUICK, HELD])
async def test_what_is_in_hand_is_bounded_while_nothing_can_be_settled(world: World, kind: str) -> None:
    world.settlement_fails = True
    add(world, MOST_UNSETTLED + CONCURRENCY, Urgency.LIVE, QUICK)
    add(world, 3000, Urgency.LIVE, kind)
    async with world.at_work():
        await until(lambda: world.ended >= MOST_UNSETTLED, what="as many wait for their settlement as may")
        for _ in range(20):
            world.dispatcher.wake()
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.2)
        assert world.dispatcher.holds <= MOST_UNSETTLED + MOST_AHEAD + CONCURRENCY + LIVE_PLACES
        assert world.running <= MOST_AHEAD + CONCURRENCY + LIVE_PLACES
        world.settlement_fails = False
        world.let_go()
        await until(lambda: world.dispatcher.holds == 0 and not world.live, what="all is settled in the end")


@pytest.mark.parametrize("pending", [0, CONCURRENCY - 2, CONCURRENCY, CONCURRENCY + 50])
async def test_it_rests_with_the_bell_wanted_however_many_wait_for_zoho(world: World, pending: int) -> None:
    add(world, pending, Urgency.BACKFILL, HELD)
    async with world.at_work():
        await until(lambda: len(world.started) == min(pending, CONCURRENCY) and world.bell, what="it is at work")
        await world.at_rest()
        assert world.bell
        assert world.running == min(pending, CONCURRENCY)


async def test_all_is_done_in_the_end_whatever_came_when(world: World) -> None:
    async with world.at_work():
        for round_number in range(50):
            add(world, 7, Urgency.BACKFILL, QUICK)
            add(world, 3, Urgency.LIVE, QUICK)
            if round_number % 3 == 0 or world.bell:
                world.dispatcher.wake()
            await anyio.sleep(0.002 * (round_number % 4))
        await until(lambda: world.ended == 500 and world.dispatcher.holds == 0, what="everything is done")
