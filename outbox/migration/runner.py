"""Runs the steps that are due."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from outbox import __version__
from outbox.host_tables import Capture
from outbox.migration.host_shape import HOST_TABLE_NAMES, LOG_TABLE, HostDatabase, Ledger, read_host
from outbox.migration.steps import Step, due_steps, schema_number

LOCK_TIMEOUT_SECONDS = 0.5
"""How long a step may wait for a lock on a host table; every later query of the table waits behind it."""

LOCK_TRIES = 30
"""With growing pauses up to 5 s: about two minutes for a step."""

ADVISORY_LOCK = 0x5A6F686F
"""Key of the transaction-level advisory lock under which steps run ('Zoho')."""

NEED_SUPERVISOR = (
    "migrate needs a role that owns the host's tables and may create roles (Supabase: postgres); see README, Install"
)

T = TypeVar("T")


class MigrationRefused(Exception):  # noqa: N818 - a refusal, not a mistake of ours
    """The database cannot be migrated as it is; the text says why and what to do."""


class LockUnavailable(Exception):  # noqa: N818 - an outcome
    """A lock could not be had in all the tries that are made."""


def plan(connection: psycopg.Connection[Any], captures: Sequence[Capture]) -> list[Step]:
    """What is due. Reads only.

    Raises :class:`MigrationRefused` where host tables are missing, the schema is newer than this program, or the
    role may not read what was applied already.
    """
    host = read_host(connection)
    refuse_unsuitable(host)
    if host.ledger is Ledger.UNREADABLE:
        raise MigrationRefused(
            f"role {current_role(connection)} may not read zoho_outbox_private.migration, which says what was applied: "
            "use the role that migrates, the daemon's, or a member of zoho_outbox_operator"
        )
    return due_steps(host, captures)


def refuse_unsuitable(host: HostDatabase) -> None:
    """Raises :class:`MigrationRefused` where this is no host database, or its schema is too new for this program."""
    if host.missing:
        raise MigrationRefused(
            f"not a host database: table public.{', public.'.join(host.missing)} "
            f"{'is' if len(host.missing) == 1 else 'are'} missing; is DATABASE_URL the right database?"
        )
    if host.works_with > schema_number():
        raise MigrationRefused(
            f"the database's schema is number {host.schema_number} and needs a program of schema {host.works_with} "
            f"or later; this is zoho-outbox {__version__} with schema {schema_number()}: install a newer zoho-outbox"
        )


def migrate(
    connection: psycopg.Connection[Any], captures: Sequence[Capture], report: Callable[[str], None]
) -> list[Step]:
    """Runs everything that is due; returns what was run. ``connection`` must be in autocommit mode.

    Safe to run twice and at the same time: each step takes an advisory lock in its own transaction and looks again
    whether it is still due. (A session-level lock would be taken twice through a pooler in transaction mode.)

    Raises :class:`MigrationRefused`; what was run before it stays, and the next run goes on from there.
    """
    if not connection.autocommit:
        raise ValueError("migrate needs a connection in autocommit mode")
    connection.prepare_threshold = None  # A pooler in transaction mode may give each transaction another backend.

    def handler(notice: psycopg.errors.Diagnostic) -> None:
        _report_notice(notice, report)

    connection.add_notice_handler(handler)
    try:
        done: list[Step] = []
        while steps := plan(connection, captures):
            if not done:
                refuse_without_ownership(connection)
            step = steps[0]
            if done and done[-1] == step:
                raise MigrationRefused(f"{step.name} ran and is still due; another program changes the same objects")
            if _run(connection, step, captures, report):
                report(f"applied {step.name}")
                done.append(step)
        return done
    finally:
        connection.remove_notice_handler(handler)


def refuse_without_ownership(connection: psycopg.Connection[Any]) -> None:
    """Raises :class:`MigrationRefused` where the host's tables belong to somebody whose rights this role has not.

    Asked before the first change: half an installation is no harm, but nobody wants it.
    """
    foreign = connection.execute(
        """
        SELECT class.relname, pg_catalog.pg_get_userbyid(class.relowner)
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = 'public'
            AND class.relkind IN ('r', 'p')
            AND class.relname = ANY (%s)
            AND NOT pg_catalog.pg_has_role(current_user, class.relowner, 'USAGE')
        ORDER BY class.relname
        """,
        [[*HOST_TABLE_NAMES, LOG_TABLE]],
    ).fetchall()
    if foreign:
        owners = ", ".join(f"public.{table} belongs to {owner}" for table, owner in foreign)
        raise MigrationRefused(
            f"role {connection.info.user} cannot alter the host's tables ({owners}); {NEED_SUPERVISOR}"
        )


def under_short_locks(name: str, report: Callable[[str], None], work: Callable[[], T]) -> T:
    """Runs ``work``, which waits :data:`LOCK_TIMEOUT_SECONDS` for a lock at most, until it gets all its locks.

    Raises :class:`LockUnavailable` after :data:`LOCK_TRIES` tries.
    """
    for attempt in range(1, LOCK_TRIES + 1):
        try:
            return work()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            pass
        except psycopg.errors.InternalError_ as error:
            # Roles belong to the cluster: another database's migrate may change the same ones.
            if "concurrently" not in str(error):
                raise
        if attempt < LOCK_TRIES:
            report(f"{name}: waiting for a lock, try {attempt} of {LOCK_TRIES}")
            time.sleep(min(0.1 * 2**attempt, 5.0))
    raise LockUnavailable(
        f"{name}: a lock could not be had in {LOCK_TRIES} tries of {LOCK_TIMEOUT_SECONDS:g} s; "
        "look for long transactions in pg_stat_activity and run it again: it goes on where it stopped"
    )


def begin_step(connection: psycopg.Connection[Any]) -> None:
    """First in each step's transaction: what a role or a database may have set otherwise, and the advisory lock.

    READ COMMITTED, because what is due is read after waiting for the lock. No statement_timeout: Supabase gives some
    roles 8 s, and what waits is bounded by the lock's.
    """
    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
    connection.execute(
        """
        SELECT
            pg_catalog.set_config('statement_timeout', '0', true),
            pg_catalog.set_config('lock_timeout', '0', true),
            pg_catalog.set_config('client_min_messages', 'notice', true),
            pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)
        """
    )
    connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
    connection.execute(
        "SELECT pg_catalog.set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_SECONDS * 1000:.0f}ms"]
    )


def current_role(connection: psycopg.Connection[Any]) -> str:
    """Whose rights statements have, which SET ROLE or a pooler may have made another than who logged in."""
    row = connection.execute("SELECT current_user").fetchone()
    return str(row[0]) if row else "?"


def told(error: psycopg.Error) -> str:
    """A server's error in one line, with its hint."""
    primary = error.diag.message_primary or str(error).strip().partition("\n")[0]
    parts = [primary, error.diag.message_detail, error.diag.message_hint]
    return "; ".join(part.replace("\n", ", ") for part in parts if part)


def _run(
    connection: psycopg.Connection[Any], step: Step, captures: Sequence[Capture], report: Callable[[str], None]
) -> bool:
    def once() -> bool:
        if step.concurrently:
            return _run_concurrently(connection, step, captures)
        return _run_in_transaction(connection, step, captures)

    try:
        return under_short_locks(step.name, report, once)
    except LockUnavailable as error:
        raise MigrationRefused(str(error)) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationRefused(f"{step.name}: {told(error)}; {NEED_SUPERVISOR}") from None
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise MigrationRefused(
            f"{step.name}: {told(error)}; nothing of this step was done, earlier ones stay: "
            "mend it and run migrate again"
        ) from error


def _run_in_transaction(connection: psycopg.Connection[Any], step: Step, captures: Sequence[Capture]) -> bool:
    with connection.transaction():
        begin_step(connection)
        if step not in plan(connection, captures):
            return False  # Somebody else ran it while we waited for the lock.
        connection.execute(step.text.encode())
        if step.recorded:
            connection.execute(
                """
                INSERT INTO zoho_outbox_private.migration AS migration
                    (name, number, works_with, checksum, program_version)
                VALUES (%s, %s, %s, %s, %s)
                ON CONFLICT (name) DO UPDATE
                SET checksum = EXCLUDED.checksum,
                    program_version = EXCLUDED.program_version,
                    applied_at = clock_timestamp(),
                    applied_by = session_user
                """,
                [step.name, step.number, step.works_with, step.checksum, __version__],
            )
    return True


def _run_concurrently(connection: psycopg.Connection[Any], step: Step, captures: Sequence[Capture]) -> bool:
    _, table, _ = step.name.split(":", 2)
    row = connection.execute(_SOMEBODY_BUILDS, [f"public.{table}"]).fetchone()
    if row and row[0]:
        # Their index looks as invalid as one that an interrupted run left behind: it must not be dropped.
        raise psycopg.errors.LockNotAvailable(f"another migrate builds an index on {table}")
    if step not in plan(connection, captures):
        return False
    # For the session, because this runs in no transaction. The lock lets reads and writes pass: it may be waited for.
    for name, value in _CONCURRENTLY.items():
        connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    try:
        for statement in step.text.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
    finally:
        if not connection.closed:
            for name in _CONCURRENTLY:
                connection.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))
    return True


_CONCURRENTLY = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
}

_SOMEBODY_BUILDS = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS held
        JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
        WHERE held.locktype = 'relation'
            AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
            AND held.relation = pg_catalog.to_regclass(%s)
            AND held.mode = 'ShareUpdateExclusiveLock'
            AND held.pid <> pg_catalog.pg_backend_pid()
            AND activity.usename = session_user
    )
"""


def _report_notice(notice: psycopg.errors.Diagnostic, report: Callable[[str], None]) -> None:
    # "... does not exist, skipping" is how DROP IF EXISTS says that there was nothing to do.
    if notice.message_primary and not notice.message_primary.endswith("skipping"):
        report(f"note: {notice.message_primary}")
