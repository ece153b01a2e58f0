"""One backlog, drained by one real daemon, and the proof that everything was recorded.

A rate alone would be won by a daemon that forgets to write something down. So each drain ends with the same questions
to the database: is each entry done, has each entity one log row, does each host row show the id that Zoho gave.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from outbox.demo.postgres_server import PostgresServer
from tests.bench.daemon_process import BenchDaemon, bench_daemon, cpu_seconds
from tests.bench.transport import Counts
from tests.host.databases import Database, Databases
from tests.host.shapes import prepare_server

CONCURRENCY = 50
LONGEST_SECONDS = 600.0
LOOK_SECONDS = 0.02
STANDSTILL_SECONDS = 20.0

SERVER_SETTINGS = {
    # Off is the severe way to look: with it on, everybody waits for the same disk, and every ratio drifts towards 1.
    "synchronous_commit": "off",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "shared_preload_libraries": "pg_stat_statements",
}

_BACKLOG = """
INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
SELECT 'Anna', 'Meadow', number || '@example.com', '+27 21 555 0101', 'CT-' || number
FROM generate_series(1, %(entities)s) AS number
"""

_LEFT = "SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL"

_SPAN = """
SELECT extract(epoch FROM max(finished_at) - min(finished_at))::float8, count(*)
FROM public.zoho_outbox
WHERE finished_at >= to_timestamp(%s)
"""

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE usename = 'zoho_outbox_daemon'"

# Each is zero where everything was recorded.
_UNRECORDED = {
    "entries that are not done and sent": """
        SELECT count(*)
        FROM public.zoho_outbox AS entry
        JOIN public.customers AS customer ON customer.id = entry.entity_id
        WHERE customer.account_number LIKE 'CT-%'
            AND (entry.status, entry.outcome) IS DISTINCT FROM ('done', 'sent')
    """,
    "customers without exactly one entry": """
        SELECT count(*)
        FROM public.customers AS customer
        LEFT JOIN (
            SELECT entry.entity_id, count(*) AS entries FROM public.zoho_outbox AS entry GROUP BY entry.entity_id
        ) AS captured ON captured.entity_id = customer.id
        WHERE customer.account_number LIKE 'CT-%' AND captured.entries IS DISTINCT FROM 1
    """,
    "customers without exactly one log row, of a success": """
        SELECT count(*)
        FROM public.customers AS customer
        LEFT JOIN (
            SELECT log.entity_id, count(*) AS rows, bool_and(log.status = 'success' AND log.api_calls = 1) AS well
            FROM public.zoho_sync_logs AS log
            GROUP BY log.entity_id
        ) AS logged ON logged.entity_id = customer.id
        WHERE customer.account_number LIKE 'CT-%' AND (logged.rows, logged.well) IS DISTINCT FROM (1, true)
    """,
    "host rows that do not show what happened": """
        SELECT count(*)
        FROM public.customers AS customer
        WHERE customer.account_number LIKE 'CT-%'
            AND (
                customer.zoho_sync_status IS DISTINCT FROM 'synced'
                OR customer.zoho_last_synced_at IS NULL
                OR customer.zoho_last_sync_error IS NOT NULL
                OR customer.zoho_billing_customer_id IS NULL
            )
    """,
    "Zoho ids that two rows have": """
        SELECT count(*) - count(DISTINCT customer.zoho_billing_customer_id)
        FROM public.customers AS customer
        WHERE customer.account_number LIKE 'CT-%'
    """,
    "state rows that are not at rest with the host row's id": """
        SELECT count(*)
        FROM public.customers AS customer
        LEFT JOIN zoho_outbox_private.entity_state AS state
            ON state.entity_id = customer.id AND state.entity_type = 'customer'
        WHERE customer.account_number LIKE 'CT-%'
            AND (state.phase, state.zoho_id, state.shown_status, state.write_back_due IS NULL)
                IS DISTINCT FROM ('idle', customer.zoho_billing_customer_id, 'synced', true)
    """,
}


_SENT = """
SELECT
    (
        SELECT count(*)
        FROM public.zoho_outbox AS entry
        WHERE entry.outcome = 'sent' AND entry.finished_at IS NOT NULL
    ),
    (SELECT count(DISTINCT log.entity_id) FROM public.zoho_sync_logs AS log WHERE log.status = 'success'),
    (
        SELECT count(DISTINCT customer.zoho_billing_customer_id)
        FROM public.customers AS customer
        WHERE customer.zoho_sync_status = 'synced'
    ),
    (SELECT count(*) FROM zoho_outbox_private.entity_state AS state WHERE state.phase = 'leased')
"""


@dataclass(frozen=True)
class Drained:
    """What one drain came to."""

    sent: int
    seconds: float
    """Between the first and the last finished entry."""
    daemon_cpu_seconds: float
    """From when it was ready."""
    backend_cpu_seconds: float
    """Of the daemon's connections in PostgreSQL, from when it was ready."""
    server_cpu_seconds: float
    """Of PostgreSQL's other processes: WAL writer, checkpointer, autovacuum."""
    statements: list[tuple[str, int, float, float, int]] = field(default_factory=list)
    """Text, calls, milliseconds of planning (0 where it was not measured) and of execution, pages."""
    transactions: int = 0

    @property
    def rate(self) -> float:
        """Entities per second."""
        return self.sent / self.seconds


@contextmanager
def bench_server(run: str = "bench") -> Iterator[tuple[PostgresServer, Databases]]:
    """A server of our own, prepared for host databases."""
    with PostgresServer(settings=SERVER_SETTINGS) as server:
        prepare_server(server)
        yield server, Databases(server, run)


def commit_backlog(connection: psycopg.Connection[Any], entities: int) -> None:
    """New customers, captured by the triggers, not admitted yet."""
    connection.execute(_BACKLOG, {"entities": entities})


def capture_backlog(connection: psycopg.Connection[Any], entities: int) -> None:
    """As :func:`commit_backlog`; and the planner knows of them, as autovacuum would have told it."""
    commit_backlog(connection, entities)
    connection.execute("VACUUM ANALYZE")


def drain(
    server: PostgresServer,
    database: Database,
    directory: Path,
    entities: int,
    *,
    api: tuple[str, Counts] | None = None,
    profile: Path | None = None,
    planning: bool = False,
    to_the_end: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Drained:
    """One daemon, until ``entities`` more are finished; the backlog stands there already.

    ``api`` is a server's address and what it counts; None: Zoho is in the daemon's process. ``planning`` has the server
    measure that, too. Not ``to_the_end``: the daemon is ended when so many were created, and more are left.
    """
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        if planning:
            # It costs something itself, so not where a rate is taken.
            here = sql.Identifier(database.name)
            connection.execute(sql.SQL("ALTER DATABASE {} SET pg_stat_statements.track_planning = on").format(here))
        connection.execute("SELECT pg_stat_statements_reset()")
        began = time.time()
        commits = _commits(connection)
        with bench_daemon(
            database,
            directory,
            api_url=None if api is None else api[0],
            profile=profile,
            settings={"ZOHO_MAX_CONCURRENCY": str(CONCURRENCY), **(settings or {})},
        ) as daemon:
            daemon.wait_until_ready()
            cpu = _Cpu(server, connection, daemon)
            wait_until_created([daemon], daemon.counts if api is None else api[1], entities)
            if to_the_end:
                wait_until_finished(connection, daemon)
            daemon_cpu, backend_cpu, server_cpu = cpu.used()
            transactions = _commits(connection) - commits
        seconds, sent = span_since(connection, began)
        statements = connection.execute(_STATEMENTS).fetchall()
    return Drained(sent, seconds, daemon_cpu, backend_cpu, server_cpu, statements, transactions)


_STATEMENTS = """
SELECT
    stat.query,
    stat.calls,
    stat.total_plan_time,
    stat.total_exec_time,
    stat.shared_blks_hit + stat.shared_blks_read
FROM pg_stat_statements AS stat
WHERE stat.userid = 'zoho_outbox_daemon'::regrole
    AND stat.toplevel
    AND stat.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY stat.total_plan_time + stat.total_exec_time DESC
"""


def wait_until_created(daemons: list[BenchDaemon], counts: Counts | list[Counts], entities: int) -> None:
    """Until Zoho was asked for so many customers. Costs the database nothing."""
    all_counts = counts if isinstance(counts, list) else [counts]
    deadline = time.monotonic() + LONGEST_SECONDS
    last, since = -1, time.monotonic()
    while (made := sum(count.creates for count in all_counts)) < entities:
        for daemon in daemons:
            daemon.check()
        now = time.monotonic()
        if made != last:
            last, since = made, now
        if now > deadline or now - since > STANDSTILL_SECONDS:
            raise TimeoutError(f"{made} of {entities} customers were created, and nothing moves")
        time.sleep(LOOK_SECONDS)


def wait_until_finished(connection: psycopg.Connection[Any], daemon: BenchDaemon) -> None:
    """Until nothing is open. Asks the database all the time, so only when hardly anything can be left."""
    since, last = time.monotonic(), -1
    while left := int(_value(connection, _LEFT)):
        daemon.check()
        if left != last:
            since, last = time.monotonic(), left
        if time.monotonic() - since > STANDSTILL_SECONDS:
            raise TimeoutError(f"{left} entries are left, and nothing moves")
        time.sleep(LOOK_SECONDS)


def span_since(connection: psycopg.Connection[Any], began: float) -> tuple[float, int]:
    """Seconds between the first and the last entry that were finished since ``began`` (Unix time), and their number."""
    row = connection.execute(_SPAN, [began]).fetchone()
    assert row is not None
    assert row[1] > 1, "hardly anything was finished"
    return row[0], row[1]


def check_recorded(database: Database, entities: int, creates: int) -> None:
    """Raises AssertionError where something of a whole drain was not recorded, or was made twice."""
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        stood = _value(connection, "SELECT count(*) FROM public.customers WHERE account_number LIKE 'CT-%'")
        missing = {what: _value(connection, query) for what, query in _UNRECORDED.items()}
    wrong = {what: count for what, count in missing.items() if count}
    assert stood == entities, f"{stood} customers stand there, not {entities}"
    assert not wrong, f"not recorded: {wrong}"
    assert creates == entities, f"{creates} creates left for {entities} customers"


def check_stopped_half_way(database: Database, creates: int) -> None:
    """As :func:`check_recorded`, of what was sent before the daemon was told to end."""
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        found = connection.execute(_SENT).fetchone()
    assert found == (creates, creates, creates, 0), (
        f"{creates} creates left; entries sent, log rows, host rows with an id of their own, leased: {found}"
    )


class _Cpu:
    """CPU seconds of the daemon and of its side of PostgreSQL, from now on."""

    def __init__(self, server: PostgresServer, connection: psycopg.Connection[Any], daemon: BenchDaemon) -> None:
        self._server, self._connection, self._daemon = server, connection, daemon
        self._own = connection.info.backend_pid
        self._before = self._read()

    def used(self) -> tuple[float, float, float]:
        """Daemon, its backends, the rest of PostgreSQL."""
        return tuple(now - before for now, before in zip(self._read(), self._before, strict=True))  # type: ignore[return-value]

    def _read(self) -> tuple[float, float, float]:
        backends = {pid for (pid,) in self._connection.execute(_BACKENDS).fetchall()}
        ours = _sum_of(backends)
        postmaster = self._server.pid
        others = _children(postmaster) - backends - {self._own}
        # A process that ended since, an autovacuum worker say, is in its parent's account.
        return cpu_seconds(self._daemon.pid), ours, cpu_seconds(postmaster) + _sum_of(others)


def _children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return set(map(int, text.split()))


def _sum_of(pids: set[int]) -> float:
    total = 0.0
    for pid in pids:
        try:
            total += cpu_seconds(pid)
        except FileNotFoundError:
            continue
    return total


def _commits(connection: psycopg.Connection[Any]) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    return int(_value(connection, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))


def _value(connection: psycopg.Connection[Any], query: str, parameters: list[Any] | None = None) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]
