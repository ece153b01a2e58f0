"""deploy/docs/what-can-happen-to-a-change.md names tests that exist, and one at least for each of the 23 failures."""

import re

import pytest

from tests.documents.test_decisions import ROOT, written

PAGE = ROOT / "deploy" / "docs" / "what-can-happen-to-a-change.md"

FAILURES = range(1, 24)

_ROW = re.compile(r"^\| ([SF])([0-9]+)([a-z]?) \| (.+?) \| (.*) \|$", re.MULTILINE)
_NAMED = re.compile(r"tests/[a-z_/]+\.py::[A-Za-z0-9_:]+")


def rows(text: str) -> list[tuple[str, list[str]]]:
    """Number and tests of each row of the page."""
    return [(f"{kind}{number}{letter}", tests.split("; ")) for kind, number, letter, _, tests in _ROW.findall(text)]


def missing(text: str) -> list[str]:
    """Tests that the page names anywhere and nobody wrote."""
    return [test for test in sorted(set(_NAMED.findall(text))) if test not in written(test.partition("::")[0])]


def proved(text: str) -> set[int]:
    """Failures that have a row with a test."""
    return {int(number[1:].rstrip("abcdefghij")) for number, tests in rows(text) if number[0] == "F" and all(tests)}


def test_every_failure_has_a_test() -> None:
    assert proved(PAGE.read_text(encoding="utf-8")) == set(FAILURES)


def test_every_row_has_a_test_and_none_is_overlooked() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for number, tests in rows(text):
        assert all(_NAMED.fullmatch(test) for test in tests), (number, tests)
    assert len(rows(text)) == len(re.findall(r"^\|(?! no\. \|)(?!-)", text, re.MULTILINE))


def test_no_number_is_given_twice() -> None:
    numbers = [number for number, _ in rows(PAGE.read_text(encoding="utf-8"))]
    assert sorted(numbers) == sorted(set(numbers))


def test_every_test_that_is_named_exists() -> None:
    assert missing(PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "named",
    [
        "tests/documents/test_what_can_happen.py::test_that_nobody_wrote",
        "tests/documents/test_nothing.py::test_every_failure_has_a_test",
    ],
)
def test_a_test_that_is_not_there_is_named(named: str) -> None:
    assert missing(f"| F1 | something | {named} |\n") == [named]


def test_a_failure_without_a_test_is_not_proved() -> None:
    assert proved("| F1 | something |  |\n| F2a | something | tests/a.py::test_b |\n") == {2}
