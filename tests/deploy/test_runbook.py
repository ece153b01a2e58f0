"""Every query of the runbook and of the guides runs, and every command is one that can be typed."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
import typer.main
from psycopg.rows import dict_row

from daemon.command_line import app
from outbox.commands.doctor.zoho import all_scopes
from outbox.settings import RecurringBilling
from outbox.simulator import RunningSimulator
from tests.acceptance.running import QUICK, ROOT
from tests.deploy.pages import RUNBOOK, Block, blocks, commands_in, headings, links, pages
from tests.deploy.sample import sample_database
from tests.deploy.units import SERVICES
from tests.host.databases import MIGRATOR, Database, Databases
from tests.migration.migrated import DAEMON, OPERATOR

SECTIONS = ["## What you see", "## Why", "## What to type", "## How you know it is over"]

INCIDENTS = [page for page in pages() if page.parent == RUNBOOK and page.name != "README.md"]

MAY_BE_EMPTY = {
    ("rows-say-retrying", "attempts > 0"),  # the sample has no row between attempts
    ("a-row-says-skipped", "set_aside"),  # nobody set anything aside in it
    ("the-disk-fills", "DELETE"),  # nothing in it is a month old
    ("a-customer-asks-to-be-forgotten", "private.forgotten"),  # nobody was forgotten in it
    ("README", "requested_by"),  # nobody did anything by hand in it
}
"""Blocks whose queries find nothing in the sample. Every other one must find something."""


@pytest.fixture
def sample(databases: Databases) -> Iterator[Database]:
    with sample_database(databases) as database:
        yield database


class TestPages:
    @pytest.mark.parametrize("page", INCIDENTS, ids=lambda page: page.stem)
    def test_each_incident_says_what_is_seen_why_what_to_type_and_how_it_ends(self, page: Path) -> None:
        title, *sections = headings(page)
        assert sections == SECTIONS
        # The title is what a person sees; the file is found by it.
        assert re.sub(r"[^a-z0-9]+", "-", title.removeprefix("# ").lower()).strip("-").startswith(page.stem)

    def test_the_first_page_leads_to_every_incident_by_its_title(self) -> None:
        text = (RUNBOOK / "README.md").read_text(encoding="utf-8")
        for page in INCIDENTS:
            title = headings(page)[0].removeprefix("# ")
            assert f"[{title}]({page.name})" in text

    @pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
    def test_no_link_leads_nowhere(self, page: Path) -> None:
        assert [str(target) for target in links(page) if not target.exists()] == []

    def test_the_scopes_to_ask_for_are_those_that_are_needed(self) -> None:
        text = (RUNBOOK.parent / "install.md").read_text(encoding="utf-8")
        asked = re.findall(r"^ +(ZohoSubscriptions[.]\S+)$", text, re.MULTILINE)
        assert sorted(asked) == sorted(all_scopes(RecurringBilling.ZOHO))
        assert set(all_scopes(RecurringBilling.HOST)) <= set(asked)

    def test_three_levels_of_escalation_have_criteria(self) -> None:
        text = (RUNBOOK / "README.md").read_text(encoding="utf-8")
        assert len(re.findall(r"^\| [123] \| .{20,} \|$", text, re.MULTILINE)) == 3


class TestQueries:
    @pytest.mark.parametrize("block", blocks("sql"), ids=str)
    def test_each_runs_as_whoever_it_is_meant_for(self, block: Block, sample: Database) -> None:
        role = {"": OPERATOR, "owner": MIGRATOR}[block.word]
        assert block.statements
        found = 0
        with psycopg.connect(sample.dsn(role), row_factory=dict_row) as connection:
            for statement in block.statements:
                cursor = connection.execute(statement.encode())
                # What defines something says -1.
                found += abs(cursor.rowcount) if cursor.description is None else len(cursor.fetchall())
        if not any(block.page == page and words in block.text for page, words in MAY_BE_EMPTY):
            assert found > 0, "it finds nothing in the sample"


LINES = [(block, line) for block in blocks("console") for line in block.typed]
TYPED = [(block, words) for block, line in LINES for words in commands_in(line)]


def _is_harmless(words: list[str]) -> bool:
    """Changes nothing, or only what the sample can spare."""
    match words:
        case [("status" | "explain" | "find" | "health-check" | "--version"), *rest]:
            return "--watch" not in rest and "--email" not in rest
        case ["doctor"]:
            return True
        case ["reconcile", *rest]:
            return "--fix" not in rest
        case [("sync" | "backfill" | "retry-failed" | "alert-failed"), *rest]:
            return "--dry-run" in rest
        case [("pause" | "resume"), *_]:
            return True
        case ["migrate", ("--check" | "--plan")]:
            return True
        case _:
            return False


def _alike(words: list[str]) -> tuple[str, ...]:
    """Command and options: ``find invoice`` and ``find payment`` need not both be run."""
    return tuple(word for place, word in enumerate(words) if not place or word.startswith("-"))


HARMLESS = sorted({_alike(words): tuple(words) for _, words in reversed(TYPED) if _is_harmless(words)}.values())


class TestCommands:
    def test_there_are_some(self) -> None:
        assert len(TYPED) > 50
        assert len(HARMLESS) > 12

    @pytest.mark.parametrize(
        ("block", "line"), LINES, ids=[f"{block}-{number}" for number, (block, _) in enumerate(LINES)]
    )
    def test_each_line_is_one_that_a_shell_takes(self, block: Block, line: str) -> None:
        assert subprocess.run(["sh", "-n", "-c", line], check=False).returncode == 0, line
        known = {name.partition(".")[0] for name in SERVICES}
        for word in shlex.split(line.replace("|", " ")):
            if word.startswith("zoho-outbox-") and "systemctl" in line and "*" not in word:
                assert word.partition(".")[0] in known or "edit --force --full" in line, line

    @pytest.mark.parametrize(
        "words", sorted({tuple(words) for _, words in TYPED}), ids=lambda words: " ".join(words) or "-"
    )
    def test_each_is_understood_by_the_real_command_line(self, words: tuple[str, ...]) -> None:
        group: Any = typer.main.get_command(app)  # typer names no class of it that all its versions have
        if words == ("--version",):
            return
        name, *arguments = words
        command = group.commands.get(name)
        assert command is not None, f"there is no command {name}"
        command.make_context(name, list(arguments))  # raises what the command line would print

    @pytest.mark.slow
    @pytest.mark.anyio
    @pytest.mark.parametrize("words", HARMLESS, ids=" ".join)
    async def test_each_that_does_no_harm_answers(
        self, words: tuple[str, ...], sample: Database, zoho: RunningSimulator
    ) -> None:
        role = MIGRATOR if words[0] == "migrate" else DAEMON
        settings = {"PATH": os.environ["PATH"], "NO_COLOR": "1", "DATABASE_URL": sample.dsn(role), **QUICK}
        settings |= zoho.environment | {"ALERT_URLS": "json://127.0.0.1:9/nobody"}
        done = await anyio.run_process(
            [sys.executable, "-W", "error", "-m", "daemon", *words],
            cwd=ROOT,
            env=settings,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode in {0, 1, 3}, said
        assert "Traceback" not in said
        assert "run zoho-outbox migrate" not in said
        assert said.strip()
