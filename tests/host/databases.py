"""A database per test, made from a template that is built when somebody first asks for it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

SUPERUSER = "postgres"
MIGRATOR = "migrator"
"""The CREATEROLE non-superuser that owns every host database and all that stands in it."""


class Server(Protocol):
    """A PostgreSQL server that tests may create databases and roles on."""

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """A libpq connection string, as superuser or as a role that has the superuser's password."""
        ...


@dataclass(frozen=True, slots=True)
class Database:
    """One database on a server."""

    server: Server
    name: str

    def dsn(self, user: str = MIGRATOR) -> str:
        """A libpq connection string, as the owner of the host's tables unless another role is named."""
        return self.server.dsn(self.name, user)

    @property
    def superuser_dsn(self) -> str:
        """A libpq connection string as superuser."""
        return self.server.dsn(self.name)


@dataclass(frozen=True, slots=True)
class DatabaseTemplate:
    """How to build a database that tests start from.

    ``key`` names the template on the server: lower-case letters, digits, underscores; one for each content.
    ``build`` gets the new database, empty or as ``base`` left it; it must close its connections.
    """

    key: str
    build: Callable[[Database], None]
    base: "DatabaseTemplate | None" = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]{1,40}", self.key):
            raise ValueError(f"template key {self.key!r}: 1 to 40 lower-case letters, digits and underscores")


@dataclass(frozen=True, slots=True)
class Databases:
    """Creates and drops databases on one server for one test run, whichever worker asks."""

    server: Server
    run: str
    """Begins every database's name, so that two runs on one server do not meet."""

    def create(self, template: DatabaseTemplate | None = None) -> Database:
        """A new database that nobody else uses, owned by the migrator; empty without a template."""
        with self._maintenance() as connection:
            return self._copy(connection, self._source(connection, template))

    def drop(self, database: Database) -> None:
        """Drop a database, whoever is still connected to it."""
        with self._maintenance() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name)))

    @contextmanager
    def fresh(self, template: DatabaseTemplate | None = None) -> Iterator[Database]:
        """A new database for the length of a block."""
        database = self.create(template)
        try:
            yield database
        finally:
            self.drop(database)

    def drop_templates(self) -> None:
        """Drop every database of this run that is left: templates, and what a killed test did not drop."""
        with self._maintenance() as connection:
            left = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{self.run}_"]
            ).fetchall()
        for (name,) in left:
            self.drop(Database(self.server, name))

    def _source(self, connection: Connection, template: DatabaseTemplate | None) -> str:
        """The name of the template's database, built by the first worker who comes while the others wait."""
        if template is None:
            return "template0"
        name = f"{self.run}_template_{template.key}"
        if _exists(connection, name):
            return name
        # Held until the connection closes. A base is locked after what stands on it: no circle of waiting.
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        if _exists(connection, name):
            return name
        building = self._copy(connection, self._source(connection, template.base))
        try:
            template.build(building)
        except BaseException:
            self.drop(building)
            raise
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building.name), sql.Identifier(name))
        )
        return name

    def _copy(self, connection: Connection, source: str) -> Database:
        """Copy a database that nobody is connected to.

        FILE_COPY took 10 ms in memory; the default strategy, which writes every page to the WAL, 22 ms.
        """
        database = Database(self.server, f"{self.run}_{uuid4().hex[:12]}")
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
                sql.Identifier(database.name), sql.Identifier(source), sql.Identifier(MIGRATOR)
            )
        )
        return database

    def _maintenance(self) -> Connection:
        return psycopg.connect(self.server.dsn(), autocommit=True)


def _exists(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
