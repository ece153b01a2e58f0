"""The shapes that the host database is found in, and how each is built."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.host.databases import MIGRATOR, Database, DatabaseTemplate, Server

HOST_TABLES = (
    "customers",
    "service_packages",
    "customer_services",
    "product_integrations",
    "customer_invoices",
    "payment_transactions",
    "customer_invoice_audit",
)
"""Every table of the host, in an order in which they can be filled. The last one is written by a trigger."""

SYNCED_TABLES = ("customers", "customer_services", "customer_invoices", "payment_transactions")
"""The tables that get status columns."""

API_ROLES = ("anon", "authenticated", "service_role")
"""The roles that Supabase's API works as, and grants everything in ``public`` to."""

HOST_ROLES: dict[str, str] = {
    MIGRATOR: "LOGIN CREATEROLE",
    "anon": "NOLOGIN",
    "authenticated": "NOLOGIN",
    "service_role": "NOLOGIN BYPASSRLS",
    "authenticator": "LOGIN NOINHERIT",
    "finance_reader": "NOLOGIN",
}
"""Roles of the whole server, by name with their attributes. ``finance_reader`` reads the old sync log."""


@dataclass(frozen=True, slots=True)
class HostShape:
    """One way the host database may look when the migrations meet it."""

    columns: Literal["november_2025", "today"] = "today"
    """In November 2025 customer_invoices lacked invoice_type, service_id, notes, vat_rate and period_*."""
    supabase: bool = True
    """Default privileges for the API's roles, and row level security on every table."""
    sync_logs: bool = False
    """zoho_sync_logs is there in its old shape, CHECKs and a grant to finance_reader included."""
    star_columns: Literal["absent", "present", "checked"] = "absent"
    """The zoho_* columns: not there; there with defaults; there with a CHECK that knows no 'skipped' too."""
    rows: bool = False
    """A row of each kind that production holds."""
    leftovers: bool = False
    """Rows left 'syncing', 'retrying', 'synced' and 'failed'. Needs the columns and the rows."""

    def __post_init__(self) -> None:
        if self.leftovers and (self.star_columns == "absent" or not self.rows):
            raise ValueError("left-over statuses need star_columns and rows")

    @property
    def template(self) -> DatabaseTemplate:
        """The template that holds a database of this shape."""
        key = f"host_{hashlib.sha256(repr(self).encode()).hexdigest()[:16]}"
        return DatabaseTemplate(key, lambda database: build_host(database, self))


def build_host(database: Database, shape: HostShape) -> None:
    """Build the host's tables in an empty database, as its owner, who is no superuser.

    The server must have been through :func:`prepare_server`.
    """
    with psycopg.connect(database.dsn(MIGRATOR)) as connection:
        for script in _scripts(shape):
            connection.execute(script.encode())


def prepare_server(server: Server) -> None:
    """Create the host's roles, once per server: roles belong to the cluster, not to a database.

    The migrator gets the password of the server's own superuser. Roles that are there already are left as
    they are: a server that was lent may have them from elsewhere. Safe to run twice and at once.
    """
    dsn = server.dsn()
    password = conninfo_to_dict(dsn).get("password")
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('zoho-outbox host roles', 0))")
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for name, attributes in HOST_ROLES.items():
            if name not in known:
                connection.execute(f"CREATE ROLE {name} {attributes}".encode())
        if password is not None:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(MIGRATOR), sql.Literal(password))
            )
        connection.execute("GRANT anon, authenticated, service_role TO authenticator")
        connection.execute("GRANT anon, authenticated, service_role TO migrator")


def _scripts(shape: HostShape) -> list[str]:
    steps = [
        ("supabase.sql", shape.supabase),
        ("host_schema.sql", True),
        ("november_2025.sql", shape.columns == "november_2025"),
        ("sync_logs_old.sql", shape.sync_logs),
        ("star_columns.sql", shape.star_columns != "absent"),
        ("star_checks.sql", shape.star_columns == "checked"),
        ("row_security.sql", shape.supabase),
        ("row_security_logs.sql", shape.supabase and shape.sync_logs),
        ("rows.sql", shape.rows),
        ("rows_today.sql", shape.rows and shape.columns == "today"),
        ("sync_logs_rows.sql", shape.rows and shape.sync_logs),
        ("leftovers.sql", shape.leftovers),
    ]
    return [_read(name) for name, wanted in steps if wanted]


def _read(name: str) -> str:
    package = "outbox.demo" if name == "host_schema.sql" else "tests.host"
    return files(package).joinpath(name).read_text(encoding="utf-8")
