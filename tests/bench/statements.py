"""What a role's statements cost the server, by the names of the files in ``outbox/store/statements``."""

from dataclasses import dataclass
from typing import Any

import psycopg

from tests.bench.statement_names import statement_name

_OF_THE_DAEMON = """
SELECT stat.query, stat.calls, stat.total_exec_time, stat.shared_blks_hit + stat.shared_blks_read
FROM pg_stat_statements AS stat
WHERE stat.userid = 'zoho_outbox_daemon'::regrole
    AND stat.toplevel
    AND stat.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY stat.total_exec_time DESC
"""


@dataclass(frozen=True)
class StatementCost:
    """All executions of one statement."""

    name: str
    calls: int
    milliseconds: float
    """Of execution, all together."""
    pages: int


def count_from_here(connection: psycopg.Connection[Any]) -> None:
    """Forgets what was counted. The server needs ``shared_preload_libraries = 'pg_stat_statements'``."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    connection.execute("SELECT pg_stat_statements_reset()")


def counted(connection: psycopg.Connection[Any]) -> list[StatementCost]:
    """What the daemon's role has executed in this database, the dearest first."""
    return [StatementCost(statement_name(row[0]), *row[1:]) for row in connection.execute(_OF_THE_DAEMON).fetchall()]
