"""deploy/docs/reference.md is what the code does, and what the commands print is what it tells."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import typer.main

from daemon.command_line import app
from outbox.logs import Event
from outbox.simulator import RunningSimulator
from tests.acceptance.running import QUICK, ROOT
from tests.deploy.reference import EXITS, LEVELS, PAGE, events, levels_used, page, written
from tests.deploy.sample import sample_database
from tests.deploy.shapes import SHAPES, untold
from tests.host.databases import Database, Databases
from tests.migration.migrated import DAEMON


@pytest.fixture
def sample(databases: Databases) -> Iterator[Database]:
    with sample_database(databases) as database:
        yield database


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def test_the_page_is_made_from_the_code_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.deploy.reference"


def test_every_command_has_its_exit_statuses() -> None:
    assert sorted(EXITS) == sorted(commands())


def test_every_command_that_prints_json_has_its_shape() -> None:
    with_json = {name for name, command in commands().items() if any("--json" in each.opts for each in command.params)}
    assert with_json == set(SHAPES)


def test_every_event_says_its_level_and_what_it_means() -> None:
    assert [note.event for note in events()] == list(Event)
    odd = [note for note in events() if note.level not in LEVELS or len(note.meaning) < 10]
    assert [note.event for note in odd] == [Event.LIBRARY_MESSAGE]


def test_every_event_is_written_by_somebody() -> None:
    # Of the log itself, which passes on what libraries say.
    assert set(Event) - written() <= {Event.LIBRARY_MESSAGE}


def test_every_event_is_written_at_the_level_that_is_told() -> None:
    told = {note.event: note.level for note in events()}
    used = list(levels_used())
    assert len({event for event, _, _ in used}) > 20
    assert [(event, level, place) for event, level, place in used if level in LEVELS and level != told[event]] == []


WORDS = {
    "backfill": ("--undo",),
    "doctor": (),
    "explain": ("invoice", "INV-2025-00011"),
    "find": ("invoice",),
    "health-check": ("--detailed",),
    "reconcile": (),
    "status": (),
}


@pytest.mark.anyio
@pytest.mark.parametrize("command", SHAPES)
async def test_what_is_printed_is_what_is_told(command: str, sample: Database, zoho: RunningSimulator) -> None:
    done = await anyio.run_process(
        [sys.executable, "-m", "daemon", command, *WORDS[command], "--json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": sample.dsn(DAEMON), **QUICK, **zoho.environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    out = done.stdout.decode()
    assert out.strip(), done.stderr.decode()
    values = [json.loads(line) for line in out.splitlines()] if command == "find" else [json.loads(out)]
    assert values
    for value in values:
        assert untold(value, SHAPES[command]()) == []
        # And nothing is told that is not there: every first key.
        assert {path.split(".")[0].removesuffix("[]") for path in SHAPES[command]()} == set(value)


def test_a_key_that_is_not_told_is_found() -> None:
    told = {"a": "text", "b.<name>.c": "integer", "d[]": "object", "e[].f": "text"}
    assert untold({"a": "x", "b": {"y": {"c": 1}}, "d": [{"anything": {"at": "all"}}], "e": []}, told) == []
    assert untold({"a": {"z": 1}, "b": {"y": {"q": 1}}, "e": [{"g": 1}], "h": None}, told) == [
        "a.z",
        "b.y.q",
        "e[].g",
        "h",
    ]
