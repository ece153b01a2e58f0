"""The README: its commands can be typed, its queries run, its links lead somewhere."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psycopg
import pytest
import typer.main

from daemon.command_line import app
from tests.deploy.sample import sample_database
from tests.host.databases import MIGRATOR, Database, Databases
from tests.migration.migrated import OPERATOR

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

CODE = re.findall(r"`([^`\n]+)`", TEXT)
TYPED = sorted({code.split("; ")[0] for code in CODE if code.startswith("zoho-outbox ")})
QUERIES = sorted({code for code in CODE if re.match(r"(SELECT|UPDATE) ", code)})
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)", TEXT)))


@pytest.fixture
def sample(databases: Databases) -> Iterator[Database]:
    with sample_database(databases) as database:
        yield database


@pytest.mark.parametrize("line", TYPED)
def test_each_command_is_one_with_options_that_it_has(line: str) -> None:
    _, name, *words = line.split()
    if name.startswith("-"):
        return
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known


def test_there_are_commands_and_queries() -> None:
    assert len(TYPED) > 12
    assert len(QUERIES) >= 8


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_is_one_that_the_database_takes(query: str, sample: Database) -> None:
    role = MIGRATOR if query.startswith("UPDATE customers") else OPERATOR
    entry = "(SELECT max(id) FROM zoho_outbox WHERE status = 'dead')"
    customer = "'00000000-0000-0000-0000-000000000001'"
    runnable = query.replace("4711", entry).replace("'…'", customer).replace("…", "SELECT * FROM")
    runnable = runnable.replace("SELECT * FROM SELECT", "SELECT").rstrip(";")
    # Nobody has that id; the function is there and says so.
    nobody: AbstractContextManager[object] = nullcontext()
    if "zoho_outbox_forget" in query:
        nobody = pytest.raises(psycopg.errors.NoDataFound)
    with psycopg.connect(sample.dsn(role)) as connection:
        with nobody:
            connection.execute(runnable.encode())
        connection.rollback()


@pytest.mark.parametrize("target", LINKS)
def test_each_link_leads_somewhere(target: str) -> None:
    assert target.startswith("http") or (ROOT / target).exists()
