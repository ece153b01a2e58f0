"""Whether a program may work with the database as it is."""

import psycopg
import pytest

from outbox.entities.registry import CAPTURES
from outbox.migration.fitness import Unfit, check_fitness
from outbox.migration.steps import numbered_steps
from tests.host.databases import Database
from tests.migration.migrated import DAEMON


def check(database: Database, user: str | None = None) -> list[str]:
    dsn = database.superuser_dsn if user is None else database.dsn(user)
    with psycopg.connect(dsn, autocommit=True) as connection:
        return check_fitness(connection, CAPTURES)


def execute(database: Database, statement: str) -> None:
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute(statement.encode())


def test_migrated_database_is_fit(migrated_database: Database) -> None:
    assert check(migrated_database, DAEMON) == []


def test_host_tables_that_are_missing_are_named(migrated_database: Database) -> None:
    execute(migrated_database, "DROP TABLE payment_transactions CASCADE")
    with pytest.raises(Unfit, match=r"public\.payment_transactions is missing"):
        check(migrated_database, DAEMON)


def test_not_migrated(host_database: Database) -> None:
    with pytest.raises(Unfit, match="not migrated: run zoho-outbox migrate"):
        check(host_database)


def test_numbered_migrations_that_are_missing_are_counted(migrated_database: Database) -> None:
    last = numbered_steps()[-1].name
    execute(migrated_database, f"DELETE FROM zoho_outbox_private.migration WHERE name = '{last}'")
    with pytest.raises(Unfit, match=rf"1 of {len(numbered_steps())} .*{last}.*run zoho-outbox migrate"):
        check(migrated_database, DAEMON)


def test_rights_that_are_missing(migrated_database: Database) -> None:
    execute(
        migrated_database, "REVOKE ALL ON zoho_outbox_private.migration FROM zoho_outbox_daemon, zoho_outbox_operator"
    )
    with pytest.raises(Unfit, match=r"zoho_outbox_daemon may not read zoho_outbox_private\.migration"):
        check(migrated_database, DAEMON)


@pytest.mark.parametrize("works_with", [1, len(numbered_steps())])
def test_newer_schema_that_works_with_this_program_is_fit(migrated_database: Database, works_with: int) -> None:
    execute(
        migrated_database,
        "INSERT INTO zoho_outbox_private.migration (name, number, works_with, checksum, program_version) "
        f"VALUES ('9001_future.sql', 9001, {works_with}, '', '9')",
    )
    assert check(migrated_database, DAEMON) == []


def test_newer_schema_that_does_not_is_refused(migrated_database: Database) -> None:
    execute(
        migrated_database,
        "INSERT INTO zoho_outbox_private.migration (name, number, works_with, checksum, program_version) "
        "VALUES ('9001_future.sql', 9001, 9000, '', '9')",
    )
    with pytest.raises(Unfit, match="install a newer zoho-outbox"):
        check(migrated_database, DAEMON)


def test_what_may_wait_is_listed(migrated_database: Database) -> None:
    execute(migrated_database, "DROP TRIGGER zoho_outbox_updated ON customers")
    execute(migrated_database, "UPDATE zoho_outbox_private.migration SET checksum = '' WHERE name = '01_capture.sql'")
    assert check(migrated_database, DAEMON) == ["01_capture.sql", "host:customers:capture", "09_grants.sql"]
