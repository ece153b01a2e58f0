"""Host databases that migrate has been through, as templates."""

import hashlib

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from outbox.entities.registry import CAPTURES
from outbox.migration.runner import migrate
from tests.host.databases import MIGRATOR, Database, DatabaseTemplate
from tests.host.shapes import HostShape

DAEMON = "zoho_outbox_daemon"

OPERATOR = "finance_operator"
"""A person: a login role whose only right is its membership of zoho_outbox_operator."""

LOGINS = (DAEMON, OPERATOR)


def migrated_template(shape: HostShape) -> DatabaseTemplate:
    """The template that holds a host database of this shape, migrated by the migrator."""
    key = f"migrated_{hashlib.sha256(repr(shape).encode()).hexdigest()[:16]}"
    return DatabaseTemplate(key, _build, base=shape.template)


def migrate_as_migrator(database: Database) -> list[str]:
    """Runs what is due, as the host's CREATEROLE non-superuser; returns what was reported."""
    said: list[str] = []
    with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection:
        migrate(connection, CAPTURES, said.append)
    return said


def prepare_logins(database: Database) -> None:
    """Lets the daemon's role and an operator log in with the server's password. Needs the roles of a migration."""
    password = conninfo_to_dict(database.server.dsn()).get("password")
    # In one database, because advisory locks are a database's own: roles belong to all.
    with psycopg.connect(database.server.dsn()) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('zoho-outbox logins', 0))")
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        if OPERATOR not in known:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OPERATOR)))
        connection.execute(sql.SQL("GRANT zoho_outbox_operator TO {}").format(sql.Identifier(OPERATOR)))
        if password is not None:
            for role in LOGINS:
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
                )


def _build(database: Database) -> None:
    migrate_as_migrator(database)
    prepare_logins(database)
