"""deploy/docs/benchmarks.md: the tables between its two marks, from the figures of a run that stand beside it.

``python -m tests.bench --json F`` measures; ``python -m tests.documents.benchmarks F`` keeps F beside the page as
benchmarks.json and writes the tables anew; ``--before B`` keeps another run, of an earlier commit, as
benchmarks-before.json. Without a file the tables are written from what stands there. Parts that the new file does not
have keep their old figures, so that one part may be measured again. A test compares page and figures.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.parts import PARTS

FOLDER = Path(__file__).parents[2] / "deploy" / "docs"
PAGE = FOLDER / "benchmarks.md"
FIGURES = FOLDER / "benchmarks.json"
BEFORE = FOLDER / "benchmarks-before.json"

BEGIN = "<!-- figures: written by python -m tests.documents.benchmarks -->"
END = "<!-- end of figures -->"

OF_THE_MACHINE = ("processor", "cores", "system", "Python", "PostgreSQL")
"""Conditions that are told once for all parts."""

Figures = Mapping[str, Any]
"""As ``python -m tests.bench --json`` saves them."""


@dataclass(frozen=True)
class Line:
    """One figure, as a row of a table."""

    name: str
    value: str
    wanted: str
    verdict: str

    @classmethod
    def of_ratio(cls, ratio: Mapping[str, Any]) -> "Line":
        """The median, and the middle half of the pairs."""
        low, high = ratio["spread"]
        wanted = ratio["wanted"]
        return cls(
            f"{ratio['measure']}: {ratio['compared']}",
            f"{ratio['median']:.2f} ({low:.2f} to {high:.2f}); {ratio['median_rate']:,.0f}/s",
            "" if wanted is None else f"at least {wanted:.2f}",
            ratio["verdict"],
        )

    @classmethod
    def of_fact(cls, fact: Mapping[str, Any]) -> "Line":
        """As it was written."""
        return cls(fact["name"], fact["value"], fact["wanted"], fact["verdict"])


def page(text: str, figures: Figures, before: Figures) -> str:
    """The page with its tables made anew. Raises ``ValueError`` where a mark is missing, and where the figures are of a
    quick run, which say whether it works and not how fast."""
    if figures["quick"]:
        raise ValueError("these are the figures of a --quick run; measure without it")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has not both marks, {BEGIN} and {END}")
    return f"{head}{begin}\n" + "\n".join(_lines(figures, before)) + f"\n{end}{tail}"


def merged(old: Figures, new: Figures) -> Figures:
    """``new``, with the parts of ``old`` that it does not have."""
    return {**new, "parts": {**old.get("parts", {}), **new["parts"]}}


def _lines(figures: Figures, before: Figures) -> Iterator[str]:
    order = [part.name for part in PARTS]
    parts = dict(sorted(figures["parts"].items(), key=lambda item: order.index(item[0])))
    parts_before = before.get("parts", {})
    yield f"\nMeasured {figures['taken']}{_of_commit(figures)}{_remark(figures)}. The machine: {_machine(figures)}."
    if parts_before:
        yield f"\nBefore: measured {before['taken']}{_of_commit(before)}{_remark(before)}."
    yield "\n### What is wanted, what was, and what there is\n"
    yield from _summary(parts, parts_before)
    for name, part in parts.items():
        yield from _section(name, part, _earlier(parts_before, name))


def _summary(parts: Mapping[str, Any], parts_before: Mapping[str, Any]) -> Iterator[str]:
    """Of all parts, whatever is wanted or was measured before."""
    yield from ("| part | figure | before | now | wanted | |", "|---|---|---:|---:|---:|---|")
    for name, part in parts.items():
        earlier = _earlier(parts_before, name)
        for line in _of_part(part):
            if line.wanted or line.name in earlier:
                told = [f"`{name}`", line.name.strip(), earlier.get(line.name, ""), line.value]
                yield _row([*told, line.wanted, line.verdict])


def _section(name: str, part: Mapping[str, Any], earlier: Mapping[str, str]) -> Iterator[str]:
    if "failed" in part:
        yield f"\n### {name}\n\nNot measured: {part['failed']}"
        return
    yield f"\n### {part['title']}\n\n`python -m tests.bench {name}`. {part['how to read']}\n"
    conditions = {key: value for key, value in part["conditions"].items() if key not in OF_THE_MACHINE}
    yield f"{', '.join(f'{key} {value}' for key, value in conditions.items())}; took {part['seconds']:.0f} s.\n"
    lines = _of_part(part)
    yield from _table([(line, earlier.get(line.name, "")) for line in lines], with_before=bool(earlier))


def _table(lines: Sequence[tuple[Line, str]], *, with_before: bool) -> Iterator[str]:
    judged = any(line.wanted for line, _ in lines)
    headings = ["figure", *(["before"] if with_before else []), "now", *(["wanted", ""] if judged else [])]
    yield _row(headings)
    yield _row(["---", *["---:"] * (len(headings) - 1)]).replace(" ", "")
    for line, earlier in lines:
        yield _row(
            [
                _indented(line.name),
                *([earlier] if with_before else []),
                line.value,
                *([line.wanted, line.verdict] if judged else []),
            ]
        )


def _of_part(part: Mapping[str, Any]) -> list[Line]:
    if "failed" in part:
        return []
    return [*(Line.of_ratio(ratio) for ratio in part["ratios"]), *(Line.of_fact(fact) for fact in part["facts"])]


def _earlier(parts: Mapping[str, Any], name: str) -> Mapping[str, str]:
    """Values by the names of their figures."""
    return {line.name: line.value for line in _of_part(parts[name])} if name in parts else {}


def _machine(figures: Figures) -> str:
    machine = dict(figures["machine"])
    servers = {part["conditions"].get("PostgreSQL") for part in figures["parts"].values() if "failed" not in part}
    machine["PostgreSQL"] = ", ".join(sorted(server for server in servers if server))
    return ", ".join(f"{key} {machine[key]}" for key in OF_THE_MACHINE if machine.get(key))


def _of_commit(figures: Figures) -> str:
    return f" at commit {figures['commit']}" if figures.get("commit") else ""


def _remark(figures: Figures) -> str:
    """What somebody wrote into the file under ``remark``."""
    return f", {figures['remark']}" if figures.get("remark") else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _indented(name: str) -> str:
    """A figure that belongs to the one above it."""
    return f"· {name.strip()}" if name.startswith(" ") else name


def _read(path: Path) -> Figures:
    figures: Figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return figures


def _keep(path: Path, figures: Figures) -> None:
    path.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.documents.benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="?", type=Path, metavar="FILE", help="of python -m tests.bench --json FILE")
    parser.add_argument("--before", type=Path, metavar="FILE", help="the same, of an earlier commit")
    arguments = parser.parse_args()
    figures, before = _read(FIGURES), _read(BEFORE)
    if arguments.figures is not None:
        figures = merged(figures, _read(arguments.figures))
    if arguments.before is not None:
        before = _read(arguments.before)
    text = page(PAGE.read_text(encoding="utf-8"), figures, before)
    _keep(FIGURES, figures)
    if before:
        _keep(BEFORE, before)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
