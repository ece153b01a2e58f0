"""``migrate`` and its variants, for the command line."""

from collections.abc import Callable, Sequence
from pathlib import Path

from outbox.commands.opening import open_connection
from outbox.entities.registry import CAPTURES
from outbox.migration import rollback as rolling_back
from outbox.migration import runner
from outbox.migration.steps import Step
from outbox.settings import DatabaseSettings


def migrate(settings: DatabaseSettings, report: Callable[[str], None]) -> list[Step]:
    """Runs what is due; returns it."""
    with open_connection(settings) as connection:
        return runner.migrate(connection, CAPTURES, report)


def due(settings: DatabaseSettings) -> list[Step]:
    """What ``migrate`` would run.

    In a transaction that cannot write. (Not by default_transaction_read_only: a pooler in transaction mode would hand
    a session with that setting to the application.)
    """
    with open_connection(settings) as connection, connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        return runner.plan(connection, CAPTURES)


def rollback(settings: DatabaseSettings, *, drop_zoho_ids: bool, report: Callable[[str], None]) -> list[str]:
    """Removes what the project added; Zoho ids are saved into the working directory first."""
    with open_connection(settings) as connection:
        return rolling_back.rollback(connection, drop_zoho_ids=drop_zoho_ids, csv_directory=Path.cwd(), report=report)


def as_sql(steps: Sequence[Step]) -> str:
    """The steps' SQL, each under a line that names it and says how it runs."""
    if not steps:
        return "-- the database is up to date: nothing is due"
    parts = []
    for number, step in enumerate(steps, 1):
        how = "outside a transaction" if step.concurrently else "in one transaction"
        parts.append(f"-- step {number} of {len(steps)}: {step.name} ({how})\n{step.text.rstrip()}")
    return "\n\n".join(parts)
