"""One command for all parts: what it says and keeps when a part fails or somebody presses Ctrl-C."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.parts import PARTS, Options, Part
from tests.bench.report import Fact, Ratio, Report, at_least, at_most
from tests.bench.suite import DONE, FAILED, INTERRUPTED, Suite

REPORT = Report("A title", "How to read", {}, facts=[at_most("requests", 2, 1), ("seconds", "3")])


def part(name: str, *, raises: BaseException | None = None) -> Part:
    def measure(_: Options) -> Report:
        if raises is not None:
            raise raises
        return REPORT

    return Part(name, "about it", measure)


def saved(path: Path) -> dict[str, Any]:
    """Parts by name."""
    parts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["parts"]
    return parts


def test_figures_of_all_parts_are_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert Suite(Options(), file).run([part("first"), part("second")]) == DONE
    assert {name: told["title"] for name, told in saved(file).items()} == {"first": "A title", "second": "A title"}
    assert saved(file)["first"]["facts"] == [
        {"name": "requests", "value": "2.00", "wanted": "at most 1.00", "verdict": "missed"},
        {"name": "seconds", "value": "3", "wanted": "", "verdict": ""},
    ]


def test_a_part_that_fails_says_so_in_its_place_and_the_others_still_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    broken = part("broken", raises=RuntimeError("no npm"))
    assert Suite(Options(), file).run([part("first"), broken, part("last")]) == FAILED
    assert list(saved(file)) == ["first", "broken", "last"]
    assert saved(file)["broken"]["failed"] == "RuntimeError: no npm"
    assert "FAILED: broken: RuntimeError: no npm" in capsys.readouterr().out


def test_ctrl_c_ends_it_with_what_is_measured_so_far(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    interrupted = part("second", raises=KeyboardInterrupt())
    assert Suite(Options(), file).run([part("first"), interrupted, part("last")]) == INTERRUPTED
    assert saved(file)["second"] == {"seconds": 0.0, "failed": "interrupted"}
    assert "last" not in saved(file)
    told = capsys.readouterr()
    assert "measured so far: 1 of 3" in told.err
    assert "A title" in told.out


COMPLAINS_WHEN_INTERRUPTED = """
import signal
from tests.bench.parts import Options, Part
from tests.bench.suite import Suite

def measure(_):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        raise RuntimeError("my daemon ended badly")

raise SystemExit(Suite(Options()).run([Part(name, "", measure) for name in ("first", "second")]))
"""


def test_ctrl_c_is_heard_where_what_it_interrupts_complains() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", COMPLAINS_WHEN_INTERRUPTED],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == INTERRUPTED, ended.stderr
    assert "interrupted in first" in ended.stderr
    assert "second" not in ended.stderr


def test_what_is_missed_is_told_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert Suite(Options()).run([part("first")]) == DONE
    assert "missed: first: requests" in capsys.readouterr().out


def test_progress_is_told_beside_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    Suite(Options()).run([part("first"), part("second")])
    told = capsys.readouterr()
    assert "[2/2] second: about it" in told.err
    assert "[2/2]" not in told.out


@pytest.mark.parametrize("name", [part.name for part in PARTS if part.name != "capture"])
def test_each_part_is_there_and_can_be_quick(name: str) -> None:
    module = "peers.measure" if name == "peers" else name
    function = getattr(importlib.import_module(f"tests.bench.{module}"), f"measure_{name}")
    assert inspect.signature(function).parameters["quick"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(
    ("fact", "verdict"),
    [
        (at_most("", 1.0, 1.0), "reached"),
        (at_most("", 1.1, 1.0), "missed"),
        (at_least("", 1.0, 1.0), "reached"),
        (at_least("", 0.9, 1.0), "missed"),
        (Fact("", "1"), ""),
    ],
)
def test_a_fact_says_whether_what_is_wanted_is_reached(fact: Fact, verdict: str) -> None:
    assert fact.verdict == verdict


def test_a_report_names_what_is_missed() -> None:
    report = Report("", "", {}, facts=[at_most("memory", 2, 1), at_most("tokens", 1, 1)])
    report.ratios = [Ratio("drain", "ours / theirs", (0.5,), 1.0, 1.0), Ratio("drain", "ours / bare", (0.5,), 1.0)]
    assert report.missed == ["drain: ours / theirs", "memory"]
