"""BEFORE UPDATE triggers of the host that change captured columns (decisions.md, Rows and rights).

``UPDATE OF`` looks at the column list of the UPDATE, not at the row: what a BEFORE trigger changes besides is not
captured. Inserts are always captured, whatever is in them. The functions' texts are read as far as that goes; what
they call, EXECUTE, or are in another language than PL/pgSQL, cannot be known, and is said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from outbox.commands.doctor.findings import Finding, listed, ok, warning
from outbox.database import Row
from outbox.wording import count

_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")
# At the beginning of a statement: in the middle of one, NEW.status = 'x' is a comparison.
_ASSIGNED = re.compile(
    rf"(?:^|;|\bBEGIN\b|\bTHEN\b|\bELSE\b|\bLOOP\b|>>)\s*NEW\s*\.\s*({_NAME})\s*(?:\[[^]]*\]\s*)?:?=",
    re.IGNORECASE,
)
_INTO = re.compile(rf"\bINTO\s+(?:STRICT\s+)?((?:{_NAME}(?:\s*\.\s*{_NAME})?\s*,?\s*)+)", re.IGNORECASE)
_OF_NEW = re.compile(rf"\bNEW\s*\.\s*({_NAME})", re.IGNORECASE)
_WHOLE = re.compile(
    r"(?:^|;|\bBEGIN\b|\bTHEN\b|\bELSE\b|\bLOOP\b|>>)\s*NEW\s*:?=|\bINTO\s+(?:STRICT\s+)?NEW\b(?!\s*\.)", re.IGNORECASE
)
_RETURNED = re.compile(r"\bRETURN\s+(?!NEW\s*;|OLD\s*;|NULL\s*;)", re.IGNORECASE)

CHANGES_NOTHING = frozenset({"pg_catalog.suppress_redundant_updates_trigger"})
NAMES_ITS_COLUMN = frozenset({"moddatetime"})
"""Functions in C that change the column that their argument names."""


@dataclass(frozen=True)
class Changes:
    """What a trigger function does to the row, as far as its text tells."""

    columns: frozenset[str]
    unknown: str | None = None
    """Why it may change more than ``columns``."""


def changes_of(row: Row) -> Changes:
    """Reads one row of ``doctor_before_triggers.sql``."""
    if row["function"] in CHANGES_NOTHING:
        return Changes(frozenset())
    if row["language"] != "plpgsql":
        if row["function"].rpartition(".")[2] in NAMES_ITS_COLUMN:
            return Changes(frozenset({row["arguments"].partition("\\000")[0]}))
        return Changes(frozenset(), f"its function is written in {row['language']}")
    source = _TEXT.sub("''", _COMMENT.sub(" ", row["source"]))
    columns = {_unquoted(name) for name in _ASSIGNED.findall(source)}
    for targets in _INTO.findall(source):
        columns |= {_unquoted(name) for name in _OF_NEW.findall(targets)}
    if _WHOLE.search(source) is not None or _RETURNED.search(source) is not None:
        return Changes(frozenset(columns), "it replaces the row as a whole")
    return Changes(frozenset(columns))


def check_host_triggers(rows: Sequence[Row], mapped: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """``mapped``: by table, the columns whose change is captured."""
    harmless = []
    for row in rows:
        changes = changes_of(row)
        named = f"{row['name']} on {row['table_name']} ({row['function']})"
        captured = sorted(changes.columns & mapped[row["table_name"]])
        if captured:
            yield warning(
                "host_triggers",
                f"BEFORE trigger {named} changes {listed(captured)}: where the UPDATE does not name the column itself, "
                "the change is not captured",
                "let the application's UPDATE name it, too (SET x = x is enough), or the trigger make an UPDATE of its "
                "own; zoho-outbox find names rows that differ",
            )
        elif changes.unknown is not None:
            yield warning(
                "host_triggers",
                f"BEFORE trigger {named} could change captured columns, which cannot be known: {changes.unknown}",
                "look at it; zoho-outbox find names rows that differ",
            )
        else:
            harmless.append(named)
    if not rows:
        yield ok("host_triggers", "the host has no BEFORE UPDATE trigger on the tables that are captured")
    elif len(harmless) == len(rows):
        read = count(len(rows), "BEFORE trigger", "BEFORE triggers")
        yield ok(
            "host_triggers",
            f"{read} of the host, and no captured column changed by it as far as its text tells (what it calls or "
            f"EXECUTEs cannot be known): {listed(harmless)}",
        )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
