"""What the machine has found, each as short as it can be told. All of it is within what the machine may do."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.machine.ground import Ground
from tests.machine.machine import CUSTOMERS, Machine, machine_on
from tests.machine.world import Replica, World
from tests.machine.zoho import Reply


@pytest.fixture
def machine(ground: Ground) -> Iterator[Machine]:
    machine = machine_on(ground, Counter())()
    machine.begin(replicas=2, unique_names=True, filters_mails=True, customers=1, sent=True)
    yield machine
    machine.here.close()


@pytest.fixture
def world(machine: Machine) -> World:
    return machine.here


def replicas(world: World) -> tuple[Replica, Replica]:
    first, second = world.replicas
    return first, second


def test_an_edit_that_is_taken_back_after_a_crash_is_taken_back_in_zoho(machine: Machine, world: World) -> None:
    machine.flip(0)
    machine.work(0)
    machine.advance(0, Reply.GOOD, 2, False)
    machine.zoho_executes(0)
    machine.crash(0)
    machine.flip(0)
    machine.rest()


def test_a_forgotten_customer_is_found_under_the_email_that_zoho_has(machine: Machine, world: World) -> None:
    world.zoho.unique_names = False
    machine.edit(0, 1, 1)
    machine.drive(0, Reply.GOOD)
    machine.set_id(0, 0)
    machine.edit(0, 1, 2)
    machine.rest()
    assert world.zoho.creates == {str(CUSTOMERS[0]): 1}


def test_a_stale_verdict_is_refused_beside_that_of_its_successor(machine: Machine, world: World) -> None:
    """One process lost a lease, claimed the same entity again, and settles both in one batch."""
    first, second = replicas(world)
    machine.flip(0)
    machine.work(0)
    first.beats = False
    machine.advance(0, Reply.GOOD, 2, False)
    world.stop(first, frozen=False)
    world.pass_time(130)
    world.reclaim(second)
    world.resume(first)
    world.claim(first, 1)
    stale, fresh = first.attempts
    machine.flip(0)
    world.read(first)
    assert stale.actor is not None
    assert fresh.actor is not None
    fresh.actor.finish()
    stale.actor.finish()
    world.settle(first, [stale, fresh], in_steps=False, answer_lost=False)
    assert world.seen["settlements refused"] == 1
    machine.rest()


def test_an_entry_that_was_held_at_its_take_over_is_scheduled_after_its_release(machine: Machine, world: World) -> None:
    first, second = replicas(world)
    machine.flip(0)
    machine.work(0)
    machine.hold(0, abandoned=False)
    world.stop(first, frozen=False)
    world.pass_time(130)
    world.reclaim(second)
    world.claim(second, 1)
    world.read(second)
    machine.hold(0, abandoned=True)
    world.settle(second, second.attempts, in_steps=False, answer_lost=False)
    world.check()
    machine.rest()


def test_admission_does_not_wait_for_a_process_that_was_stopped_within_its_claim(
    machine: Machine, world: World
) -> None:
    first, second = replicas(world)
    machine.flip(0)
    world.admit(first)
    world.claim(first, 1, in_steps=True)
    assert first.claiming is not None
    assert not first.claiming.done
    machine.flip(0)
    world.stop(first, frozen=False)
    world.admit(second)
    world.resume(first)
    machine.rest()
