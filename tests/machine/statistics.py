"""What the machine went through, for the end of a test run: a search that got nowhere must show."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

PROPERTY = "machine"
"""Name of the test's property that carries :func:`statistics`."""

GROUPS = {
    "phases": "phase ",
    "entries": "entry ",
    "settled": "settled ",
    "claims": "claims",
    "rules": "rule ",
    "stopped at": "gate ",
}
"""Titles of what is counted together, by what the counts' names begin with. Anything else is "also"."""

WIDTH = 118


def statistics(tally: Counter[str], *, planted: str | None = None) -> dict[str, Any]:
    """The counts as a worker can hand them to the run's controller; ``planted`` is the mistake that was found."""
    return {"planted": planted, "tally": {what: count for what, count in sorted(tally.items()) if count}}


def statistics_of(reports: Iterable[Any]) -> list[Mapping[str, Any]]:
    """What the reports of a run's tests carry."""
    found: list[Mapping[str, Any]] = []
    for report in reports:
        if getattr(report, "when", None) == "call":
            found += [value for name, value in report.user_properties if name == PROPERTY]
    return found


def summary(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines for people; none where the machine did not run."""
    searches = [run["tally"] for run in runs if run["planted"] is None]
    if searches:
        total: Counter[str] = Counter()
        for tally in searches:
            total.update(tally)
        yield f"state machine: {len(searches)} runs, {total.pop('examples', 0)} examples, {total.pop('steps', 0)} steps"
        for title, prefix in GROUPS.items():
            yield from _line(title, total, prefix)
        yield from _line("also", total, "")
    planted = [run for run in runs if run["planted"] is not None]
    if planted:
        yield f"state machine, planted bugs that it ran into: {len(planted)}"
        for run in planted:
            yield f"  after {run['tally'].get('examples', 0):4} examples: {run['planted']}"


def _line(title: str, total: Counter[str], prefix: str) -> Iterator[str]:
    names = sorted(name for name in total if name.startswith(prefix))
    if names:
        said = " · ".join(f"{name.removeprefix(prefix).strip() or 'all'} {total.pop(name)}" for name in names)
        yield from textwrap.wrap(f"{title}: {said}", WIDTH, initial_indent="  ", subsequent_indent="    ")
