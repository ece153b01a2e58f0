"""The protocol under every order of events that the machine thinks of; and the machine under bugs it must find."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.ground import Ground
from tests.machine.machine import LEANINGS, Machine, machine_on
from tests.machine.planted import PLANTS, Plant
from tests.machine.statistics import PROPERTY, statistics
from tests.machine.world import Broken

EXAMPLES = 25
MANY_EXAMPLES = 300
STEPS_OF_AN_EXAMPLE = 30
MORE_RUNS = 4
LIKELY = 400
"""Examples within which each planted bug is found."""

REACHED: dict[str, tuple[str, ...]] = {
    "usual": ("claims of several entries", "leases taken over", "settlements refused", "settled dead", "PUT: go"),
    "lost creates": ("claims with a fate unknown", "claims after a clean look", "create: lost, not done"),
    "overtaken": ("claims that resend", "leases taken over", "settlements refused"),
    "crashes": ("repeated attempts", "leases taken over", "PUT: lost, done"),
    "children": ("rule insert payment", "rule delete", "create: go"),
    "hands": ("rule id own", "rule id cleared", "settled dead"),
    "operators": (
        "rule skip, done",
        "rule skip, refused",
        "rule hold by skipping",
        "rule replay entity",
        "rule replay dead",
        "claims of one entity",
        "rows at rest that were set aside",
    ),
}
"""What a run must have been through: without it, nothing that it did not find would mean anything. Only what most runs
meet several times; a skip that is refused for a lock, say, comes often in some and never in others
(tests/store/test_operator_functions.py has its test)."""


TAKE_LONGEST = {
    "does not tell the children that their parent came to rest without a record",
    "wakes children that an operator's transaction holds",
    "leaves entries as processing when it takes over",
}
"""Planted bugs for the slow tier: ten seconds and more each."""

RecordProperty = Callable[[str, object], None]


def run(machine: type[Machine], number: int, examples: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS_OF_AN_EXAMPLE,
            phases=phases,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def search(
    ground: Ground, leaning: str, number: int, examples: int, record_property: RecordProperty, *phases: Phase
) -> None:
    """A run over a machine without mistakes; what it went through is recorded, however it ends.

    Another version of hypothesis makes other examples of the same number: where they missed something, there are more.
    """
    tally: Counter[str] = Counter()
    missed: list[str] = []
    try:
        for another in range(MORE_RUNS):
            run(machine_on(ground, tally, leaning=LEANINGS[leaning]), number + 100 * another, examples, *phases)
            missed = [what for what in REACHED[leaning] if not tally[what]]
            if not missed:
                break
    finally:
        record_property(PROPERTY, statistics(tally))
    assert missed == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("leaning", LEANINGS)
def test_the_promises_are_kept_in_whatever_order_things_happen(
    ground: Ground, leaning: str, record_property: RecordProperty
) -> None:
    search(ground, leaning, 1, EXAMPLES, record_property, Phase.generate)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("leaning", LEANINGS)
def test_the_promises_are_kept_in_many_more_orders(
    ground: Ground, leaning: str, number: int, record_property: RecordProperty
) -> None:
    search(ground, leaning, number, MANY_EXAMPLES, record_property, Phase.generate, Phase.shrink)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "plant",
    [pytest.param(plant, marks=[pytest.mark.slow] * (name in TAKE_LONGEST)) for name, plant in PLANTS.items()],
    ids=PLANTS.keys(),
)
def test_a_planted_bug_is_found(ground: Ground, plant: Plant, record_property: RecordProperty) -> None:
    tally: Counter[str] = Counter()
    with plant.planted(ground) as store, pytest.raises(Broken, match=plant.shows):
        run(machine_on(ground, tally, store, plant.leaning), 3, LIKELY, Phase.generate)
    record_property(PROPERTY, statistics(tally, planted=plant.mistake))
