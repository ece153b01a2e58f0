"""Moments, ages and columns as people read them."""

from collections.abc import Sequence
from datetime import UTC, datetime


def moment(when: datetime | None) -> str:
    """'2026-01-15 12:00:00 UTC'; '-' where there is none."""
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(seconds: float | None) -> str:
    """'3 s', '12 min', '5 h', '9 d'; '-' where there is none."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def count(number: int, thing: str, things: str) -> str:
    """'1 request', '2 requests'."""
    return f"{number} {thing if number == 1 else things}"


def one_line(text: str | None) -> str:
    """Text for a column of a table: line ends become blanks; '-' where there is none."""
    return " ".join(text.split()) if text else "-"


def columns(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[str] = frozenset()
) -> list[str]:
    """Lines of a plain table; the headings in ``right`` stand over right-aligned columns."""
    widths = [max(len(heading), *(len(row[place]) for row in rows), 0) for place, heading in enumerate(headings)]
    lines = []
    for cells in (headings, *rows):
        padded = (
            cell.rjust(width) if heading in right else cell.ljust(width)
            for cell, width, heading in zip(cells, widths, headings, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    return lines
