"""The closing lines of the months that a test run played, for its end. Imports nothing: every run's conftest does."""

from collections.abc import Iterable, Iterator
from typing import Any

PROPERTY = "month"
"""Name of the test's property that carries the closing line."""


def closing_lines(reports: Iterable[Any]) -> Iterator[str]:
    """What the reports of a run's tests carry."""
    for report in reports:
        if getattr(report, "when", None) == "call":
            yield from (str(value) for name, value in report.user_properties if name == PROPERTY)
