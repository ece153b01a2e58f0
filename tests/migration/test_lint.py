"""Squawk over what migrate would run on the host's tables: ``.ci/run`` lints the files that need no filling in."""

import subprocess
import sys
from pathlib import Path

import pytest

from outbox.entities.registry import CAPTURES
from outbox.host_tables import HOST_TABLES, READ_TABLES, STATUS
from outbox.migration.host_shape import LOG_TABLE, Check, HostDatabase, Ledger, TableShape
from outbox.migration.steps import LOG_VOCABULARY, Step, due_steps

EXCLUDED = {
    "require-lock-timeout": "the runner sets it for each step's transaction",
    "require-statement-timeout": "the runner sets it: none, because what waits is bounded by the lock_timeout",
    "prefer-bigint-over-int": "widths of integers are chosen",
    "ban-drop-constraint": "a wider one of the same name takes its place in the same statement",
}


def _check(name: str, column: str, condition: str) -> Check:
    return Check(name, column, f"CHECK ({condition})", condition)


def _host(*, with_log: bool) -> HostDatabase:
    """A host on which everything is due: no column is there, and every CHECK is too narrow."""
    mapped = {name for capture in CAPTURES for columns in capture.reads.values() for name in columns}
    narrow = (_check("narrow", STATUS, f"({STATUS} = 'pending'::text)"),)
    tables = {name: TableShape(name, ("id", *sorted(mapped))) for name in READ_TABLES}
    tables |= {table.name: TableShape(table.name, ("id", *sorted(mapped)), narrow) for table in HOST_TABLES.values()}
    if with_log:
        checks = [_check(f"{column}_check", column, f"({column} = 'x'::text)") for column in LOG_VOCABULARY]
        attempts = _check("attempts", "attempt_number", "((attempt_number >= 1) AND (attempt_number <= 3))")
        tables[LOG_TABLE] = TableShape(LOG_TABLE, ("id",), (*checks, attempts), invalid_indexes=frozenset({"x"}))
    return HostDatabase(tables, Ledger.READABLE, {}, 0, 0, frozenset())


def _steps(*, with_log: bool) -> list[Step]:
    return [step for step in due_steps(_host(with_log=with_log), CAPTURES) if step.name.startswith("host:")]


def _lint(directory: Path, steps: list[Step], *, in_transaction: bool) -> str:
    files = []
    for number, step in enumerate(steps):
        file = directory / f"{number:03}.sql"
        file.write_text(f"-- {step.name}\n{step.text}", encoding="utf-8")
        files.append(file)
    command: list[str | Path] = [Path(sys.executable).with_name("squawk"), "--pg-version", "15.0", "--reporter", "gcc"]
    command += [f"--exclude={rule}" for rule in EXCLUDED]
    command += ["--assume-in-transaction"] if in_transaction else []
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("with_log", [True, False])
def test_steps_on_host_tables_take_no_long_locks(tmp_path: Path, with_log: bool) -> None:
    steps = [step for step in _steps(with_log=with_log) if not step.concurrently]
    assert len(steps) > 12
    assert _lint(tmp_path, steps, in_transaction=True) == ""


def test_indexes_on_host_tables_are_built_beside_their_users(tmp_path: Path) -> None:
    steps = [step for step in _steps(with_log=True) if step.concurrently]
    assert len(steps) == 7
    assert _lint(tmp_path, steps, in_transaction=False) == ""


def test_linter_would_object(tmp_path: Path) -> None:
    careless = [Step("host:careless", "CREATE INDEX i ON public.customers (phone);\n")]
    assert "require-concurrent-index-creation" in _lint(tmp_path, careless, in_transaction=True)


def test_no_column_and_no_table_of_the_host_is_dropped() -> None:
    for step in _steps(with_log=True):
        assert "DROP COLUMN" not in step.text
        assert "DROP TABLE" not in step.text
