"""Takes out what the project added to a host database, and nothing else.

Each piece is found in the catalogue or in ``zoho_outbox_private.host_change``, and removed in a transaction of its
own; the schema that holds host_change goes after everything that it speaks of. So a rollback that was interrupted, or
one after half a migration, finds what is left and goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from outbox.host_tables import HOST_TABLES
from outbox.migration.host_shape import HOST_TABLE_NAMES, LOG_TABLE, read_columns
from outbox.migration.runner import LockUnavailable, begin_step, told, under_short_locks
from outbox.migration.steps import host_indexes
from outbox.migration.zoho_ids import ZohoIdFile, ids_at_stake

ROLES = ("zoho_outbox_daemon", "zoho_outbox_operator", "zoho_outbox_owner")

ALIVE_SECONDS = 60
"""A session seen within this time may still be sending."""

Report = Callable[[str], None]


class RollbackRefused(Exception):  # noqa: N818 - a refusal, not a mistake of ours
    """Nothing further was removed; the text says why and what to do."""


@dataclass(frozen=True)
class Installed:
    """What is there of an installation, whole or half."""

    schema: bool
    roles: tuple[str, ...]
    tables: tuple[str, ...]
    """Host tables that are present, zoho_sync_logs included."""
    added_columns: Mapping[str, tuple[str, ...]]
    """Columns that migrate added and that are still there, by table."""
    created_tables: tuple[str, ...]
    zoho_id_columns: Mapping[str, bool]
    """Synced tables that have their Zoho id column, and whether migrate added it."""
    own_tables: frozenset[str]
    """Tables of zoho_outbox_private."""


def rollback(
    connection: psycopg.Connection[Any], *, drop_zoho_ids: bool, csv_directory: Path, report: Report
) -> list[str]:
    """Removes the installation; returns what was removed, in words. ``connection`` must be in autocommit mode.

    Columns, tables and CHECK constraints that were there before stay; of the CHECKs, the old definition comes back NOT
    VALID. With ``drop_zoho_ids`` the Zoho ids that would be lost are first written to a new file in ``csv_directory``.

    Raises :class:`RollbackRefused`: a daemon lives; Zoho ids would be lost and ``drop_zoho_ids`` was not said; other
    objects depend on ours; a lock or a right could not be had.
    """
    if not connection.autocommit:
        raise ValueError("rollback needs a connection in autocommit mode")
    connection.prepare_threshold = None  # A pooler in transaction mode may give each transaction another backend.
    installed = read_installed(connection)
    removed: list[str] = []
    _refuse_while_alive(connection, installed)
    with ExitStack() as stack:
        kept: ZohoIdFile | None = None
        at_stake = list(_at_stake(connection, installed))
        if at_stake and not drop_zoho_ids:
            raise RollbackRefused(
                f"{len(at_stake)} Zoho ids would be lost, and a later installation would create those records twice: "
                "zoho-outbox migrate rollback --drop-zoho-ids writes them to a CSV file first"
            )
        if at_stake:
            try:
                kept = stack.enter_context(ZohoIdFile(csv_directory, connection.info.dbname))
                kept.add(at_stake)
            except OSError as error:
                raise RollbackRefused(f"the Zoho ids cannot be written, so nothing was dropped: {error}") from error
            report(f"{len(at_stake)} Zoho ids written to {kept.path}")
        for name, work in _pieces(connection, installed, kept, report):
            _run(connection, name, work, report)
            report(f"removed {name}")
            removed.append(name)
    for role in installed.roles:
        if _drop_role(connection, role, report):
            report(f"removed role {role}")
            removed.append(f"role {role}")
    if not removed:
        report("nothing of zoho-outbox is in this database")
    return removed


def read_installed(connection: psycopg.Connection[Any]) -> Installed:
    """What there is to remove."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
        ours = {
            name
            for (name,) in cursor.execute(
                "SELECT class.relname FROM pg_class AS class WHERE class.relkind = 'r' AND class.relnamespace = "
                "(SELECT oid FROM pg_namespace WHERE nspname = 'zoho_outbox_private')"
            )
        }
        schema = cursor.execute("SELECT FROM pg_namespace WHERE nspname = 'zoho_outbox_private'").fetchone() is not None
        roles = {
            name for (name,) in cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", [list(ROLES)])
        }
        columns = read_columns(cursor, [*HOST_TABLE_NAMES, LOG_TABLE])
        changes: list[tuple[str, str, str]] = []
        if "host_change" in ours:
            try:
                changes = list(
                    cursor.execute("SELECT table_name, kind, name FROM zoho_outbox_private.host_change ORDER BY id")
                )
            except psycopg.errors.InsufficientPrivilege as error:
                raise RollbackRefused(_lacking(connection, error)) from None
    created = tuple(table for table, kind, _ in changes if kind == "table_created" and table in columns)
    added = {
        table: tuple(name for of, kind, name in changes if kind == "column_added" and of == table and name in present)
        for table, present in columns.items()
        if table not in created
    }
    return Installed(
        schema=schema,
        roles=tuple(role for role in ROLES if role in roles),
        tables=tuple(columns),
        added_columns=added,
        created_tables=created,
        zoho_id_columns={
            table.name: table.zoho_id in added[table.name]
            for table in HOST_TABLES.values()
            if table.zoho_id in columns.get(table.name, ())
        },
        own_tables=frozenset(ours),
    )


def _refuse_while_alive(connection: psycopg.Connection[Any], installed: Installed) -> None:
    if "session" not in installed.own_tables:
        return
    try:
        alive = connection.execute(
            """
            SELECT session.kind, session.host, session.pid
            FROM zoho_outbox_private.session AS session
            WHERE session.seen_at > clock_timestamp() - make_interval(secs => %s)
            ORDER BY session.started_at
            """,
            [ALIVE_SECONDS],
        ).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise RollbackRefused(_lacking(connection, error)) from None
    if alive:
        listed = ", ".join(f"{kind} on {host}, process {pid}" for kind, host, pid in alive)
        raise RollbackRefused(
            f"still working with this database: {listed}; stop it first "
            f"(one that was killed counts as alive for {ALIVE_SECONDS} s)"
        )


def _at_stake(connection: psycopg.Connection[Any], installed: Installed) -> Iterator[tuple[str, str, str]]:
    try:
        yield from ids_at_stake(
            connection, installed.zoho_id_columns, with_state="entity_state" in installed.own_tables
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise RollbackRefused(_lacking(connection, error)) from None


def _pieces(
    connection: psycopg.Connection[Any], installed: Installed, kept: ZohoIdFile | None, report: Report
) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is to be removed, in order: name, and what removes it within a transaction."""
    # Triggers first: from then on no application transaction touches anything of ours.
    for table, triggers in _capture_triggers(connection).items():

        def drop_triggers(table: str = table, triggers: tuple[str, ...] = triggers) -> None:
            for trigger in triggers:
                connection.execute(
                    sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(trigger), _public(table))
                )

        yield f"capture triggers of {table}", drop_triggers
    for table in installed.tables:
        if table not in installed.created_tables and _touched(connection, installed, table):

            def restore(table: str = table) -> None:
                _restore_table(connection, installed, table, kept, report)

            yield f"columns, constraints, indexes and rights on {table}", restore
    if installed.schema:
        yield "tables, views, functions and schema", lambda: _drop_own_objects(connection, installed, kept, report)


def _run(connection: psycopg.Connection[Any], name: str, work: Callable[[], None], report: Report) -> None:
    def once() -> None:
        with connection.transaction():
            begin_step(connection)
            work()

    try:
        under_short_locks(name, report, once)
    except LockUnavailable as error:
        raise RollbackRefused(str(error)) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise RollbackRefused(f"{name}: {_lacking(connection, error)}") from None
    except psycopg.errors.DependentObjectsStillExist as error:
        raise RollbackRefused(
            f"{name}: something that is not ours depends on it ({error.diag.message_detail}); "
            "drop that, and run the rollback again"
        ) from None


def _restore_table(
    connection: psycopg.Connection[Any], installed: Installed, table: str, kept: ZohoIdFile | None, report: Report
) -> None:
    # The strongest lock that is needed, at once: one queue to stand in, and nobody can set a Zoho id in between.
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(_public(table)))
    if installed.zoho_id_columns.get(table, False):
        _keep_late_ids(ids_at_stake(connection, {table: True}, with_state=False), kept)
    for (policy,) in connection.execute(_OUR_POLICIES, [table, list(installed.roles)]).fetchall():
        connection.execute(sql.SQL("DROP POLICY {} ON {}").format(sql.Identifier(policy), _public(table)))
    if installed.roles:
        connection.execute(
            sql.SQL("REVOKE ALL ON {} FROM {}").format(
                _public(table), sql.SQL(", ").join(map(sql.Identifier, installed.roles))
            )
        )
    if "host_change" in installed.own_tables:
        _restore_checks(connection, table, report)
    for index in host_indexes():
        if index.table == table:
            connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(_public(index.name)))
    for column in installed.added_columns.get(table, ()):
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP COLUMN IF EXISTS {}").format(_public(table), sql.Identifier(column))
        )
    if "host_change" in installed.own_tables:
        # What was put back must not be put back twice, where the rest of the rollback is refused and run again.
        connection.execute("DELETE FROM zoho_outbox_private.host_change WHERE table_name = %s", [table])


def _restore_checks(connection: psycopg.Connection[Any], table: str, report: Report) -> None:
    for name, before, after, present in connection.execute(_WIDENED_CHECKS, [table]).fetchall():
        if present != after:
            report(f"note: {table}.{name} is no longer the CHECK that migrate made; it stays as it is")
            continue
        definition = before if before.endswith("NOT VALID") else f"{before} NOT VALID"
        connection.execute(
            sql.SQL("ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}").format(
                table=_public(table), name=sql.Identifier(name), definition=sql.SQL(definition)
            )
        )
        report(
            f"note: {table}.{name} is back, NOT VALID: rows from the meantime may hold other words; "
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name} says so"
        )


def _drop_own_objects(
    connection: psycopg.Connection[Any], installed: Installed, kept: ZohoIdFile | None, report: Report
) -> None:
    if "entity_state" in installed.own_tables:
        connection.execute("LOCK TABLE zoho_outbox_private.entity_state IN ACCESS EXCLUSIVE MODE")
        remaining = {table: False for table, added in installed.zoho_id_columns.items() if not added}
        _keep_late_ids(ids_at_stake(connection, remaining, with_state=True), kept)
    for kind, name in connection.execute(_OUR_OBJECTS).fetchall():
        connection.execute(sql.SQL("DROP {} {}").format(sql.SQL(kind), sql.SQL(name)))
    if "zoho_outbox_owner" in installed.roles:
        connection.execute("ALTER DEFAULT PRIVILEGES FOR ROLE zoho_outbox_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
    connection.execute("DROP SCHEMA zoho_outbox_private")
    for role in installed.roles:
        connection.execute(sql.SQL("REVOKE ALL ON SCHEMA public FROM {}").format(sql.Identifier(role)))
    for table in installed.created_tables:
        report(f"note: {table} was made by migrate and went with its rows")


def _keep_late_ids(identities: Iterator[tuple[str, str, str]], kept: ZohoIdFile | None) -> None:
    late = [identity for identity in identities if kept is None or identity not in kept.written]
    if not late:
        return
    if kept is None:
        raise RollbackRefused(
            f"{len(late)} Zoho ids were set while the rollback ran; it stopped before dropping them: "
            "zoho-outbox migrate rollback --drop-zoho-ids writes them to a CSV file first"
        )
    kept.add(late)


def _drop_role(connection: psycopg.Connection[Any], role: str, report: Report) -> bool:
    try:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
    except psycopg.errors.DependentObjectsStillExist as error:
        report(f"note: role {role} stays, something else in this cluster depends on it: {told(error)}")
        return False
    except psycopg.errors.InsufficientPrivilege as error:
        report(f"note: role {role} stays: {told(error)}; an administrator of roles can: DROP ROLE {role}")
        return False
    except psycopg.errors.ObjectInUse as error:
        report(f"note: role {role} stays: {told(error)}")
        return False
    return True


def _capture_triggers(connection: psycopg.Connection[Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for table, trigger in connection.execute(_CAPTURE_TRIGGERS):
        found.setdefault(table, []).append(trigger)
    return {table: tuple(triggers) for table, triggers in found.items()}


def _touched(connection: psycopg.Connection[Any], installed: Installed, table: str) -> bool:
    """Whether there is anything of ours on the table: it is not locked for nothing."""
    if installed.added_columns.get(table):
        return True
    names = [index.name for index in host_indexes() if index.table == table]
    row = connection.execute(_TOUCHED, {"table": table, "roles": list(installed.roles), "indexes": names}).fetchone()
    if row is not None and row[0]:
        return True
    if "host_change" not in installed.own_tables:
        return False
    return connection.execute(_CHANGED, [table]).fetchone() is not None


def _public(name: str) -> sql.Identifier:
    return sql.Identifier("public", name)


def _lacking(connection: psycopg.Connection[Any], error: psycopg.Error) -> str:
    return (
        f"{told(error)}; role {connection.info.user} has not got the rights: run the rollback as the role that ran "
        "migrate, or as a superuser"
    )


_CAPTURE_TRIGGERS = """
    SELECT class.relname, trigger.tgname
    FROM pg_catalog.pg_trigger AS trigger
    JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
    JOIN pg_catalog.pg_proc AS proc ON proc.oid = trigger.tgfoid
    WHERE NOT trigger.tgisinternal
        AND proc.pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'zoho_outbox_private')
        AND class.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
        AND class.relname <> 'zoho_outbox'
    ORDER BY class.relname, trigger.tgname
"""

_OUR_POLICIES = """
    SELECT policy.polname
    FROM pg_catalog.pg_policy AS policy
    WHERE policy.polrelid = pg_catalog.format('public.%%I', %s::text)::regclass
        AND policy.polname LIKE 'zoho\\_outbox\\_%%'
        AND policy.polroles <@ (
            SELECT COALESCE(pg_catalog.array_agg(role.oid), '{}')
            FROM pg_catalog.pg_roles AS role
            WHERE role.rolname = ANY (%s)
        )
"""

_TOUCHED = """
    SELECT
        EXISTS (
            SELECT FROM pg_catalog.pg_policy AS policy
            WHERE policy.polrelid = class.oid AND policy.polname LIKE 'zoho\\_outbox\\_%%'
        )
        OR EXISTS (
            SELECT FROM pg_catalog.aclexplode(class.relacl) AS acl
            JOIN pg_catalog.pg_roles AS role ON role.oid = acl.grantee
            WHERE role.rolname = ANY (%(roles)s)
        )
        OR EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS attribute
            CROSS JOIN LATERAL pg_catalog.aclexplode(attribute.attacl) AS acl
            JOIN pg_catalog.pg_roles AS role ON role.oid = acl.grantee
            WHERE attribute.attrelid = class.oid AND role.rolname = ANY (%(roles)s)
        )
        OR EXISTS (
            SELECT FROM pg_catalog.pg_index AS index
            JOIN pg_catalog.pg_class AS index_class ON index_class.oid = index.indexrelid
            WHERE index.indrelid = class.oid AND index_class.relname = ANY (%(indexes)s)
        )
    FROM pg_catalog.pg_class AS class
    WHERE class.oid = pg_catalog.format('public.%%I', %(table)s::text)::regclass
"""

_CHANGED = """
    SELECT FROM zoho_outbox_private.host_change AS change
    WHERE change.table_name = %s AND change.kind <> 'statuses_reset'
    LIMIT 1
"""

_WIDENED_CHECKS = """
    SELECT
        dropped.name,
        dropped.definition,
        added.definition,
        (
            SELECT pg_get_constraintdef(con.oid)
            FROM pg_constraint AS con
            WHERE con.conrelid = format('public.%%I', dropped.table_name)::regclass AND con.conname = dropped.name
        )
    FROM zoho_outbox_private.host_change AS dropped
    JOIN zoho_outbox_private.host_change AS added
        ON added.table_name = dropped.table_name AND added.name = dropped.name AND added.kind = 'check_added'
    WHERE dropped.table_name = %s AND dropped.kind = 'check_dropped'
    ORDER BY dropped.id
"""

_OUR_OBJECTS = """
    SELECT kind, name
    FROM (
        SELECT
            CASE
                WHEN class.relkind = 'v' THEN 1
                -- What refers to others goes before them.
                WHEN EXISTS (
                    SELECT FROM pg_constraint AS key WHERE key.conrelid = class.oid AND key.contype = 'f'
                ) THEN 2
                ELSE 3
            END,
            CASE class.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
            format('%I.%I', namespace.nspname, class.relname)
        FROM pg_class AS class
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        JOIN pg_roles AS owner ON owner.oid = class.relowner
        WHERE class.relkind IN ('v', 'r')
            AND namespace.nspname IN ('public', 'zoho_outbox_private')
            AND owner.rolname = 'zoho_outbox_owner'
        UNION ALL
        SELECT
            4,
            'FUNCTION',
            format('%I.%I(%s)', namespace.nspname, proc.proname, pg_get_function_identity_arguments(proc.oid))
        FROM pg_proc AS proc
        JOIN pg_namespace AS namespace ON namespace.oid = proc.pronamespace
        JOIN pg_roles AS owner ON owner.oid = proc.proowner
        WHERE namespace.nspname IN ('public', 'zoho_outbox_private')
            AND owner.rolname = 'zoho_outbox_owner'
        UNION ALL
        SELECT 5, 'DOMAIN', format('%I.%I', namespace.nspname, type.typname)
        FROM pg_type AS type
        JOIN pg_namespace AS namespace ON namespace.oid = type.typnamespace
        JOIN pg_roles AS owner ON owner.oid = type.typowner
        WHERE type.typtype = 'd'
            AND namespace.nspname = 'zoho_outbox_private'
            AND owner.rolname = 'zoho_outbox_owner'
    ) AS object (rank, kind, name)
    ORDER BY rank, name
"""
