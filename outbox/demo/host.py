"""The demo's database as CircleTel has it: its owner, its applications and its operator, each with their own rights.

=============  =====================================================================================================
``circletel``  owns the tables, may create roles and is no superuser; ``migrate`` runs as it, as on Supabase
``webshop``    the applications: they sell, bill and receive, and have no right on anything of ours
``operator``   a person: member of ``zoho_outbox_operator``, may read and write the host's tables
=============  =====================================================================================================
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, assert_never

import psycopg
from psycopg import sql

from outbox.demo.postgres_server import PostgresServer
from outbox.demo.sample.acts import Edit, Enter, Publish, SendAgain, Step
from outbox.entities.registry import CAPTURES
from outbox.migration.runner import migrate

DATABASE = "circletel"
OWNER, APPLICATION, OPERATOR, DAEMON = "circletel", "webshop", "operator", "zoho_outbox_daemon"

_WRITTEN_BY_APPLICATIONS = (
    "customers, customer_services, service_packages, product_integrations, customer_invoices, payment_transactions"
)

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(server: PostgresServer, role: str, database: str = DATABASE) -> Connection:
    """A connection as ``role``, in autocommit mode."""
    return psycopg.connect(
        server.dsn(database, role), autocommit=True, connect_timeout=10, application_name=f"zoho-outbox demo: {role}"
    )


def build_host(server: PostgresServer) -> None:
    """CircleTel's tables and roles, as they are before zoho-outbox comes."""
    with psycopg.connect(server.dsn(), autocommit=True) as superuser:
        for role, attributes in ((OWNER, "LOGIN CREATEROLE"), (APPLICATION, "LOGIN"), (OPERATOR, "LOGIN")):
            superuser.execute(
                sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
                    sql.Identifier(role), sql.SQL(attributes), sql.Literal(server.password)
                )
            )
        superuser.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
        )
    with connect(server, OWNER) as owner:
        owner.execute(files("outbox.demo").joinpath("host_schema.sql").read_text(encoding="utf-8").encode())
        owner.execute(f"GRANT SELECT, INSERT, UPDATE ON {_WRITTEN_BY_APPLICATIONS} TO webshop".encode())
        owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO operator")


def install(server: PostgresServer) -> int:
    """``zoho-outbox migrate`` as the owner, and what its installation guide asks for. Returns the number of steps."""
    with connect(server, OWNER) as owner:
        steps = migrate(owner, CAPTURES, lambda _: None)
        owner.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(DAEMON), sql.Literal(server.password)))
        owner.execute("GRANT zoho_outbox_operator TO operator")
    return len(steps)


class Applications:
    """Writes the host's tables as those do who know nothing of Zoho, and as an operator does."""

    def __init__(self, application: Connection, operator: Connection) -> None:
        self._application = application
        self._operator = operator

    def take(self, step: Step) -> None:
        """One step, in a transaction of its own."""
        match step:
            case Enter(rows):
                with self._application.transaction():
                    for table, values in (insert for row in rows for insert in row.inserts()):
                        self._application.execute(_insert(table, values), values)
            case Edit(row):
                columns = step.columns()
                self._application.execute(_update(row.table, columns), {**columns, "id": row.id})
            case Publish(package):
                self._application.execute(
                    """
                    UPDATE public.product_integrations
                    SET sync_status = 'ok', zoho_billing_plan_id = %s, last_synced_at = now()
                    WHERE service_package_id = %s
                    """,
                    [package.sku, package.id],
                )
            case SendAgain(row):
                self._operator.execute(
                    sql.SQL("UPDATE public.{} SET zoho_sync_status = 'pending' WHERE id = %s").format(
                        sql.Identifier(row.table)
                    ),
                    [row.id],
                )
            case _:
                assert_never(step)


def _insert(table: str, values: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL("INSERT INTO public.{} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )


def _update(table: str, columns: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL("UPDATE public.{} SET {}, updated_at = now() WHERE id = %(id)s").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns),
    )
