"""What other tests rely on: the migrated database and its logins."""

import psycopg
import pytest

from tests.host.databases import Database
from tests.migration.migrated import DAEMON, OPERATOR


@pytest.mark.parametrize("role", [DAEMON, OPERATOR])
def test_daemon_and_operator_log_in_and_read_the_outbox(migrated_database: Database, role: str) -> None:
    with psycopg.connect(migrated_database.dsn(role)) as connection:
        row = connection.execute("SELECT session_user, count(*) FROM public.zoho_outbox").fetchone()
    assert row == (role, 0)
