"""deploy/docs/decisions-and-their-tests.md names tests that exist, and one at least for each decision."""

import ast
import re
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "deploy" / "docs" / "decisions-and-their-tests.md"


def rows(text: str) -> list[tuple[str, str, list[str]]]:
    """Number, decision and tests of each row of the page."""
    found = re.findall(r"^\| ([A-Z][0-9]+) \| (.+?) \| (.*) \|$", text, re.MULTILINE)
    return [(number, decision, [test for test in tests.split("; ") if test]) for number, decision, tests in found]


def missing(text: str) -> list[str]:
    """Tests that the page names and nobody wrote."""
    named = sorted({test for _, _, tests in rows(text) for test in tests})
    return [test for test in named if test not in written(test.partition("::")[0])]


def written(path: str) -> set[str]:
    """The tests in a file, as pytest names them."""
    file = ROOT / path
    if not file.is_file():
        return set()
    tests: set[str] = set()

    def look(node: ast.Module | ast.ClassDef, prefix: str) -> None:
        for child in node.body:
            match child:
                case ast.ClassDef(name=name):
                    look(child, f"{prefix}::{name}")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                    tests.add(f"{prefix}::{name}")
                case _:
                    pass

    look(ast.parse(file.read_text(encoding="utf-8")), path)
    return tests


def test_every_decision_has_a_test() -> None:
    assert [number for number, _, tests in rows(PAGE.read_text(encoding="utf-8")) if not tests] == []


def test_every_test_that_is_named_exists() -> None:
    assert missing(PAGE.read_text(encoding="utf-8")) == []


def test_decisions_are_numbered_without_a_gap_and_none_of_their_lines_is_overlooked() -> None:
    text = PAGE.read_text(encoding="utf-8")
    numbers = [number for number, _, _ in rows(text)]
    assert len(numbers) == len(re.findall(r"^\|(?! no\. \|)(?!-)", text, re.MULTILINE))
    for letter, group in groupby(numbers, key=lambda number: number[0]):
        own = list(group)
        assert own == [f"{letter}{place}" for place in range(1, len(own) + 1)]


@pytest.mark.parametrize(
    "named",
    [
        "tests/documents/test_decisions.py::test_that_nobody_wrote",
        "tests/documents/test_nothing.py::test_every_decision_has_a_test",
        "tests/documents/test_decisions.py::TestNobody::test_every_decision_has_a_test",
    ],
)
def test_a_test_that_is_not_there_is_named(named: str) -> None:
    assert missing(f"| X1 | something | {named} |\n") == [named]
