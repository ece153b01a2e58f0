"""Makes ``deploy/docs/reference.md`` from the code: ``python -m tests.deploy.reference``."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from daemon.command_line import DONE, FAILED, INTERRUPTED, NOBODY_READS, WRONG_USE
from outbox.logs import Event
from tests.deploy.example import SECRETS, Described, described
from tests.deploy.shapes import SHAPES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "deploy" / "docs" / "reference.md"

COULD_NOT_TELL = 3

HEAD = """# Reference

Exit statuses, `--json`, log events, settings: what scripts may rely on. Made from the code by
`python -m tests.deploy.reference`; tests hold it to what the commands really do.
"""

GENERIC = {
    DONE: "done",
    FAILED: "something failed, or the database or Zoho could not be reached",
    WRONG_USE: "wrong use: an option, an argument, a setting",
    INTERRUPTED: "interrupted (Ctrl-C)",
    NOBODY_READS: "whoever read the output went away",
}

EXITS: dict[str, dict[int, str]] = {
    "alert-failed": {DONE: "told, or nothing is new", FAILED: "a receiver could not be reached; told again next time"},
    "backfill": {DONE: "everything is at rest in Zoho, waiting or skipped", FAILED: "something is dead at its end"},
    "demo": {DONE: "with --exit: each row stands as the sample says", FAILED: "one does not"},
    "doctor": {
        DONE: "all checks are well, or warnings",
        FAILED: "a check failed, or could not be made",
    },
    "explain": {FAILED: "there is no such row"},
    "find": {DONE: "whether it found something or not"},
    "health-check": {
        DONE: "healthy or degraded",
        FAILED: "unhealthy",
        COULD_NOT_TELL: "could not tell: something could not be read, and nothing is known to be unhealthy",
    },
    "migrate": {FAILED: "--check: something is due; else: refused, nothing of that step was done"},
    "pause": {},
    "reconcile": {DONE: "both sides agree", FAILED: "differences remain, or something was not compared"},
    "resume": {},
    "retry-failed": {FAILED: "something is dead at its end"},
    "run": {
        DONE: "a signal ended it; what it held is finished or given back",
        WRONG_USE: "refused: a setting, or the database (not migrated, too new, not the one that was installed); "
        "starting again would not help",
    },
    "simulate-zoho": {FAILED: "the port cannot be had"},
    "status": {},
    "sync": {
        DONE: "Zoho holds the row as it stands; --dry-run: would hold it",
        FAILED: "it does not: the reason is printed",
    },
}
"""What a status means of one command beyond :data:`GENERIC`."""

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class EventNote:
    """What ``outbox.logs`` says of an event."""

    event: Event
    level: str
    meaning: str


def events() -> list[EventNote]:
    """Every event with the docstring behind it."""
    tree = ast.parse((ROOT / "outbox" / "logs.py").read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == Event.__name__)
    found = []
    for assigned, text in pairwise(body):
        match assigned, text:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(said))):
                level, _, meaning = " ".join(said.split()).partition(": ")
                found.append(EventNote(Event[name], level, meaning))
            case _:
                pass
    return found


def written() -> set[Event]:
    """Events that some code writes."""
    found: set[Event] = set()
    for file in _sources():
        text = file.read_text(encoding="utf-8")
        found |= {event for event in Event if f"Event.{event.name}" in text}
    return found


def levels_used() -> Iterator[tuple[Event, str, str]]:
    """Event, level and place of each line that writes an event by its name."""
    for file in _sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=level), args=[ast.Attribute(value=ast.Name(id="Event"), attr=name), *_]
                ):
                    yield (
                        Event[name],
                        "error" if level == "exception" else level,
                        f"{file.relative_to(ROOT)}:{node.lineno}",
                    )
                case _:
                    pass


def _sources() -> Iterator[Path]:
    for room in ("outbox", "daemon"):
        yield from (file for file in sorted((ROOT / room).rglob("*.py")) if file.name != "logs.py")


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    lines += ["## Exit statuses", "", "| status | of every command |", "|---|---|"]
    lines += [f"| {status} | {meaning} |" for status, meaning in GENERIC.items()]
    lines += ["", "| command | status | what it means there |", "|---|---|---|"]
    for command, meanings in EXITS.items():
        lines += [f"| `{command}` | {status} | {meaning} |" for status, meaning in sorted(meanings.items())]
    lines += [
        "",
        "## `--json`",
        "",
        "`[]` is a list; `<type>` a key. Keys are only ever added.",
    ]
    for command, shape in SHAPES.items():
        how = ", an object a line" if command == "find" else ""
        lines += ["", f"### `{command} --json`{how}", "", "| path | value |", "|---|---|"]
        lines += [f"| `{path}` | {word} |" for path, word in shape().items()]
    lines += ["", "## Log events", ""]
    lines += [
        "One JSON object a line: `timestamp` (UTC), `level`, `event`, and what the event needs. *warning* is what the",
        "data, Zoho or the environment must answer for, *error* a mistake of ours or a matter for a person. Names are",
        "stable.",
        "",
        "| event | level | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{note.event}` | {note.level} | {note.meaning} |" for note in events()]
    lines += ["", "## Settings", ""]
    lines += [
        "From `/etc/zoho-outbox/zoho-outbox.env`; the example file holds the same. Secrets are files in",
        "`/etc/zoho-outbox/credentials`, named as the setting in small letters.",
        "",
        "| setting | default | |",
        "|---|---|---|",
    ]
    lines += [_setting(line) for line in described()]
    return "\n".join(lines) + "\n"


def _setting(line: Described) -> str:
    if line.name.lower() in SECRETS:
        shown = "secret"
    elif not line.is_default:
        shown = "required"
    else:
        shown = f"`{line.value}`" if line.value else "none"
    return f"| `{line.name}` | {shown} | {line.comment.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} written\n")
