"""The demo's database as CircleTel has it: its owner, its applications and its operator, each with their own rights.

=============  =====================================================================================================
``circletel``  owns the tables, may create roles and is no superuser; ``migrate`` runs as it, as on Supabase
``webshop``    an application: reads and writes customers and services, and has no right on anything of ours
``operator``   a person: member of ``zoho_outbox_operator``, may read and write the host's tables
=============  =====================================================================================================
"""

from collections.abc import Iterable
from dataclasses import asdict
from importlib.resources import files
from typing import Any, assert_never

import psycopg
from psycopg import sql

from outbox.demo.postgres_server import PostgresServer
from outbox.demo.sample import Activation, Customer, Edit, SendAgain, Service, SignUp, Step
from outbox.entities.registry import CAPTURES
from outbox.migration.runner import migrate

DATABASE = "circletel"
OWNER, APPLICATION, OPERATOR, DAEMON = "circletel", "webshop", "operator", "zoho_outbox_daemon"

_CUSTOMER_COLUMNS = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "account_type",
    "business_name",
    "account_number",
    "account_status",
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
        owner.execute("GRANT SELECT, INSERT, UPDATE ON customers, customer_services TO webshop")
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
            case SignUp(customer):
                with self._application.transaction():
                    _insert_customer(self._application, customer)
                    if customer.service is not None:
                        _insert_service(self._application, customer.account_number, customer.service)
            case Activation(account, service):
                _insert_service(self._application, account, service)
            case Edit(account, columns):
                self._application.execute(
                    sql.SQL("UPDATE public.customers SET {}, updated_at = now() WHERE account_number = {}").format(
                        sql.SQL(", ").join(
                            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
                            for name, value in columns.items()
                        ),
                        sql.Literal(account),
                    )
                )
            case SendAgain(account):
                self._operator.execute(
                    "UPDATE public.customers SET zoho_sync_status = 'pending' WHERE account_number = %s", [account]
                )
            case _:
                assert_never(step)


def _insert_customer(connection: Connection, customer: Customer) -> None:
    values = {name: value for name, value in asdict(customer).items() if name in _CUSTOMER_COLUMNS}
    connection.execute(_insert("customers", values), values)


def _insert_service(connection: Connection, account_number: str, service: Service) -> None:
    values = asdict(service) | {"status": "active", "installation_date": service.activation_date}
    row = connection.execute("SELECT id FROM public.customers WHERE account_number = %s", [account_number]).fetchone()
    if row is None:
        raise LookupError(f"the sample installs a service for {account_number}, who is no customer")
    values["customer_id"] = row[0]
    connection.execute(_insert("customer_services", values), values)


def _insert(table: str, columns: Iterable[str]) -> sql.Composed:
    names = list(columns)
    return sql.SQL("INSERT INTO public.{} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, names)),
    )
