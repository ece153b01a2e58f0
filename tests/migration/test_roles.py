"""Roles belong to the cluster: what migrate finds there, made by others. Each test has a server of its own."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from outbox.demo.postgres_server import PostgresServer
from outbox.entities.registry import CAPTURES
from outbox.migration.runner import MigrationRefused, migrate
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrate_as_migrator


def test_roles_are_made_in_a_new_cluster_and_used_by_its_other_databases(own_postgres: PostgresServer) -> None:
    databases = Databases(own_postgres, "own")
    first, second = databases.create(HostShape().template), databases.create(HostShape().template)
    assert any(line.startswith("applied 0001") for line in migrate_as_migrator(first))
    assert any(line.startswith("applied 0001") for line in migrate_as_migrator(second))


def test_databases_of_a_new_cluster_may_be_migrated_at_once(own_postgres: PostgresServer) -> None:
    databases = Databases(own_postgres, "own")
    some = [databases.create(HostShape().template) for _ in range(4)]
    with ThreadPoolExecutor(len(some)) as threads:
        assert all(threads.map(migrate_as_migrator, some))
    assert [migrate_as_migrator(database) for database in some] == [[]] * len(some)


def test_owner_role_that_can_log_in_is_refused(own_postgres: PostgresServer) -> None:
    database = Databases(own_postgres, "own").create(HostShape().template)
    with psycopg.connect(own_postgres.dsn()) as connection:
        connection.execute("CREATE ROLE zoho_outbox_owner LOGIN")
    with pytest.raises(MigrationRefused, match=r"can log in.*ALTER ROLE zoho_outbox_owner NOLOGIN"):
        migrate_as_migrator(database)


def test_roles_that_another_administrator_made_are_used_once_they_are_granted(own_postgres: PostgresServer) -> None:
    database = Databases(own_postgres, "own").create(HostShape().template)
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        for role in ("owner NOLOGIN", "daemon LOGIN", "operator NOLOGIN"):
            connection.execute(f"CREATE ROLE zoho_outbox_{role}".encode())
        if connection.info.server_version >= 160_000:
            # Until 15, who may create roles may grant every one of them.
            with pytest.raises(MigrationRefused, match="superuser: GRANT zoho_outbox_owner TO migrator"):
                migrate_as_migrator(database)
            connection.execute("GRANT zoho_outbox_owner TO migrator")
    migrate_as_migrator(database)
    assert migrate_as_migrator(database) == []


def test_role_that_may_not_create_roles_is_told_who_may(own_postgres: PostgresServer) -> None:
    database = Databases(own_postgres, "own").create(HostShape().template)
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        connection.execute("ALTER ROLE migrator NOCREATEROLE")
    with (
        psycopg.connect(database.dsn(), autocommit=True) as connection,
        pytest.raises(MigrationRefused, match=r"0001_roles.*permission denied to create role.*may create roles"),
    ):
        migrate(connection, CAPTURES, lambda _: None)


def test_superuser_may_migrate_too(own_postgres: PostgresServer) -> None:
    database = Databases(own_postgres, "own").create(HostShape().template)
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        assert migrate(connection, CAPTURES, lambda _: None)
        assert migrate(connection, CAPTURES, lambda _: None) == []
