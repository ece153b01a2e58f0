"""What a benchmark says: a table for people, JSON for comparing runs, and on what machine it ran."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Ratio:
    """One thing measured beside another, in pairs that ran directly after each other."""

    measure: str
    compared: str
    """"ours / bare trigger"."""
    ratios: tuple[float, ...]
    """One for each pair."""
    median_rate: float
    """Of the numerator, in operations per second."""
    wanted: float | None = None
    """What the median should reach at least."""

    @property
    def median(self) -> float:
        """Of the pairs."""
        return median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles' neighbours: lowest and highest of the middle half of the pairs."""
        ordered = sorted(self.ratios)
        quarter = len(ordered) // 4
        return ordered[quarter], ordered[-1 - quarter]

    @property
    def verdict(self) -> str:
        """Whether what is wanted is reached; "noise" where the spread holds both answers."""
        if self.wanted is None:
            return ""
        low, high = self.spread
        if low < self.wanted <= high:
            return f"{'reached' if self.median >= self.wanted else 'missed'}, within noise"
        return "reached" if self.median >= self.wanted else "missed"


@dataclass(frozen=True)
class Fact:
    """A figure that is no ratio."""

    name: str
    value: str
    wanted: str = ""
    """In words: "at most 26"."""
    reached: bool | None = None
    """None: nothing is wanted."""

    @property
    def verdict(self) -> str:
        """Whether what is wanted is reached."""
        if self.reached is None:
            return ""
        return "reached" if self.reached else "missed"


def at_most(name: str, figure: float, wanted: float, *, form: str = "{:,.2f}") -> Fact:
    """A figure that should be no larger. ``form`` writes both, unit included."""
    return Fact(name, form.format(figure), f"at most {form.format(wanted)}", figure <= wanted)


def at_least(name: str, figure: float, wanted: float, *, form: str = "{:,.2f}") -> Fact:
    """A figure that should be no smaller. ``form`` writes both, unit included."""
    return Fact(name, form.format(figure), f"at least {form.format(wanted)}", figure >= wanted)


@dataclass
class Report:
    """One run of one benchmark."""

    title: str
    how_to_read: str
    conditions: dict[str, Any]
    ratios: list[Ratio] = field(default_factory=list)
    facts: list[Fact | tuple[str, str]] = field(default_factory=list)
    """Figures that are no ratios; as name and value alone where nothing is wanted of them."""

    @property
    def judged(self) -> list[Fact]:
        """The facts."""
        return [fact if isinstance(fact, Fact) else Fact(*fact) for fact in self.facts]

    @property
    def values(self) -> dict[str, str]:
        """The facts' values, by name."""
        return {fact.name: fact.value for fact in self.judged}

    @property
    def missed(self) -> list[str]:
        """Names of what is not as wanted."""
        return [
            *(f"{ratio.measure}: {ratio.compared}" for ratio in self.ratios if ratio.verdict.startswith("missed")),
            *(fact.name for fact in self.judged if fact.reached is False),
        ]

    def show(self) -> None:
        """Writes it to standard output."""
        console = Console(width=max(Console().width, 110))
        console.print(self.title, style="bold")
        console.print(self.how_to_read, soft_wrap=True)
        console.print(", ".join(f"{name} {value}" for name, value in self.conditions.items()), soft_wrap=True)
        if self.ratios:
            console.print(_ratio_table(self.ratios))
        if self.facts:
            console.print(_fact_table(self.judged))

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")

    def as_json(self) -> Mapping[str, Any]:
        """As it is saved."""
        return {
            "title": self.title,
            "how to read": self.how_to_read,
            "conditions": self.conditions,
            "ratios": [
                asdict(ratio) | {"median": ratio.median, "spread": ratio.spread, "verdict": ratio.verdict}
                for ratio in self.ratios
            ],
            "facts": [
                {"name": fact.name, "value": fact.value, "wanted": fact.wanted, "verdict": fact.verdict}
                for fact in self.judged
            ],
        }


def machine() -> dict[str, Any]:
    """What a reader must know of the machine: ratios travel between machines, rates do not."""
    load, _, _ = os.getloadavg()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load at start": round(load, 2),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _ratio_table(ratios: Sequence[Ratio]) -> Table:
    table = Table()
    for heading in ("measure", "compared"):
        table.add_column(heading)
    for heading in ("median", "middle half", "per second", "wanted"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for ratio in ratios:
        low, high = ratio.spread
        table.add_row(
            ratio.measure,
            ratio.compared,
            f"{ratio.median:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{ratio.median_rate:,.0f}",
            "" if ratio.wanted is None else f"{ratio.wanted:.2f}",
            ratio.verdict,
        )
    return table


def _fact_table(facts: Sequence[Fact]) -> Table:
    judged = any(fact.wanted for fact in facts)
    table = Table()
    table.add_column("figure")
    table.add_column("value", justify="right")
    if judged:
        table.add_column("wanted", justify="right")
        table.add_column("")
    for fact in facts:
        table.add_row(fact.name, fact.value, *((fact.wanted, fact.verdict) if judged else ()))
    return table
