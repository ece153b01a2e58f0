"""deploy/docs/benchmarks.md says what was measured: its tables are those of the figures beside it."""

import json
from typing import Any

import pytest

from tests.bench.parts import PARTS
from tests.bench.report import Ratio, Report, at_least
from tests.documents.benchmarks import BEFORE, BEGIN, END, FIGURES, PAGE, merged, page

TEXT = PAGE.read_text(encoding="utf-8")

REPORT = Report("Drain", "More is better.", {"cores": 2, "entities": 500})
REPORT.facts = [at_least("entities per second", 90, 100, form="{:.0f}"), ("  statements", "12 | each")]
REPORT.ratios = [Ratio("drain", "ours / theirs", (1.1, 1.2, 1.3), 900.0, 1.0)]


def run(report: Report = REPORT, **more: Any) -> dict[str, Any]:
    """One part's figures, as they are saved."""
    saved = json.loads(json.dumps(report.as_json()))
    machine = {"processor": "Abacus", "cores": 2}
    parts = {"drain": {"seconds": 3.0, **saved}}
    return {"taken": "2026-11-21", "commit": "abc", "quick": False, "machine": machine, "parts": parts} | more


def tables(figures: Any, before: Any = None) -> str:
    """What is written between the marks."""
    return page(f"above\n{BEGIN}\nold\n{END}\nbelow\n", figures, before or {})


def test_its_tables_are_made_from_the_figures_beside_it() -> None:
    before = json.loads(BEFORE.read_text(encoding="utf-8"))
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert page(TEXT, figures, before) == TEXT, "python -m tests.documents.benchmarks"


def test_every_part_is_told_of_above_the_tables() -> None:
    assert [part.name for part in PARTS if f"`{part.name}`" not in TEXT.partition(BEGIN)[0]] == []


def test_what_was_before_names_figures_that_there_are() -> None:
    names = figure_names(json.loads(FIGURES.read_text(encoding="utf-8")))
    assert figure_names(json.loads(BEFORE.read_text(encoding="utf-8"))) - names == set()


def figure_names(figures: dict[str, Any]) -> set[tuple[str, str]]:
    return {(part, fact["name"]) for part, told in figures["parts"].items() for fact in told.get("facts", [])}


def test_it_tells_what_is_wanted_what_was_before_and_what_there_is() -> None:
    earlier = Report("Drain", "", {}, facts=[("entities per second", "50")])
    made = tables(run(), run(earlier, commit="old"))
    assert "| `drain` | entities per second | 50 | 90 | at least 100 | missed |" in made
    assert "| entities per second | 50 | 90 | at least 100 | missed |" in made
    assert "| drain: ours / theirs |  | 1.20 (1.10 to 1.30); 900/s | at least 1.00 | reached |" in made
    assert "| · statements |  | 12 / each |  |  |" in made
    assert made.startswith("above\n")
    assert made.endswith("below\n")
    assert "old\n" not in made


def test_a_part_that_failed_says_so_in_its_place() -> None:
    made = tables(run(parts={"peers": {"seconds": 1.0, "failed": "Missing: npm"}}))
    assert "### peers\n\nNot measured: Missing: npm" in made


def test_figures_of_a_quick_run_are_refused() -> None:
    with pytest.raises(ValueError, match="--quick run"):
        tables(run(quick=True))


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="both marks"):
        page("no marks", run(), {})


def test_what_was_measured_before_is_summed_up_though_nothing_is_wanted_of_it() -> None:
    now, earlier = (Report("Drain", "", {}, facts=[("statements per entity", value)]) for value in ("3", "12"))
    assert "| `drain` | statements per entity | 12 | 3 |  |  |" in tables(run(now), run(earlier))


def test_parts_stand_in_the_order_in_which_they_run() -> None:
    both = {"quota": {"seconds": 1.0, "failed": "why"}, "requests": {"seconds": 1.0, "failed": "why"}}
    made = tables(run(parts=both))
    assert made.index("### requests") < made.index("### quota")


def test_parts_that_are_not_measured_again_keep_their_figures() -> None:
    old, new = run(), run(parts={"quota": {"seconds": 1.0, "failed": "why"}})
    assert list(merged(old, new)["parts"]) == ["drain", "quota"]
