"""deploy/docs/mapping.md: which column becomes which field, from the tables at the heads of the entities' files.

``python -m tests.documents.mapping`` writes it anew; a test says when that is due.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from outbox.entities.contract import AnyEntity
from outbox.entities.registry import ENTITIES
from outbox.host_tables import HOST_TABLES

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "mapping.md"

HEAD = """# What is sent to Zoho, column by column

Made from the heads of `outbox/entities/*.py` by `python -m tests.documents.mapping`; a test compares. Edit it there.

*sheet*: the project's own notes on Zoho's API and its specification. *decisions*: what was decided, with the test for
each, stands in [decisions-and-their-tests.md](decisions-and-their-tests.md). *lessons*: what the first integration did
wrong.
"""

_CITATION = re.compile(r"\s*\(((?:sheet|decisions\.md|lessons)\b[^()]*)\)")
_MODULE = re.compile(r"\s*\(?:mod:`([a-z_.]+)`\)?")


@dataclass(frozen=True)
class Section:
    """Of one type."""

    title: str
    sources: str
    """Where its rules come from, for rows that do not say."""
    file: str
    facts: tuple[tuple[str, ...], ...]
    columns: tuple[tuple[str, ...], ...]
    rest: str

    def lines(self) -> Iterator[str]:
        """As Markdown."""
        yield from (f"## {self.title}", "", f"`{self.file}` · {self.sources}", "", "| | |", "|---|---|")
        for row in self.facts:
            yield _row(row)
        yield from ("", "| column | field | conversion | source |", "|---|---|---|---|")
        for column, field, conversion in self.columns:
            yield _row((column, field, *_sourced(conversion, self.sources)))
        if self.rest:
            yield from ("", _marked(self.rest))
        yield ""


def page() -> str:
    """The whole page."""
    lines = [line for entity in ENTITIES.values() for line in section(entity).lines()]
    return f"{HEAD}\n" + "\n".join(lines).rstrip() + "\n"


def section(entity: AnyEntity) -> Section:
    """What the head of the entity's file says. Raises ``ValueError`` where it has not two tables."""
    module = sys.modules[type(entity).__module__]
    head = inspect.getdoc(module) or ""
    first, *lines = head.splitlines()
    named = re.fullmatch(r"(\w+) \((.+)\)\.", first)
    if named is None:
        raise ValueError(f"{module.__name__} begins with {first!r}, not with 'Things (sources).'")
    tables, rest = _tables(lines)
    if [len(table[0]) for table in tables] != [2, 3] or tables[1][0] != ("column", "field", "conversion"):
        raise ValueError(f"{module.__name__} has not the two tables at its head")
    table = HOST_TABLES[entity.entity_type].name
    return Section(
        f"{named[1]}: `{table}`",
        named[2],
        f"{module.__name__.replace('.', '/')}.py",
        tuple(tables[0]),
        tuple(tables[1][1:]),
        " ".join(rest.split()),
    )


def _tables(lines: list[str]) -> tuple[list[list[tuple[str, ...]]], str]:
    """Simple tables of reStructuredText, and the text beside them."""
    tables: list[list[tuple[str, ...]]] = []
    rest: list[str] = []
    spans: list[tuple[int, int | None]] = []
    inside = False
    for place, line in enumerate(lines):
        if re.fullmatch(r"=+(  +=+)+", line):
            if not inside:
                starts = [match.start() for match in re.finditer("=+", line)]
                spans = list(zip(starts, [*starts[1:], None], strict=True))
                tables.append([])
                inside = True
            elif place + 1 == len(lines) or not lines[place + 1].strip():
                inside = False
            continue
        if not inside:
            rest.append(line)
            continue
        cells = tuple(line[start:end].strip() for start, end in spans)
        table = tables[-1]
        if table and (not cells[0] or table[-1][0].endswith((",", "_"))) and not _is_heading(table):
            table[-1] = tuple(_joined(above, below) for above, below in zip(table[-1], cells, strict=True))
        else:
            table.append(cells)
    return tables, "\n".join(rest)


def _is_heading(table: list[tuple[str, ...]]) -> bool:
    return table[-1][0] == "column"


def _joined(above: str, below: str) -> str:
    return above + below if above.endswith("_") else f"{above} {below}".strip()


def _sourced(conversion: str, otherwise: str) -> tuple[str, str]:
    found = _CITATION.findall(conversion)
    found += [f"`{name.replace('.', '/')}.py`" for name in _MODULE.findall(conversion)]
    text = _MODULE.sub("", _CITATION.sub("", conversion))
    return text, "; ".join(found) or otherwise


def _row(cells: tuple[str, ...]) -> str:
    bar = "\\|"
    return "| " + " | ".join(_marked(cell).replace("|", bar) for cell in cells) + " |"


def _marked(text: str) -> str:
    """reStructuredText's marks as Markdown's."""
    modules = re.sub(r":mod:`([a-z_.]+)`", lambda match: f"`{match[1].replace('.', '/')}.py`", text)
    return modules.replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
