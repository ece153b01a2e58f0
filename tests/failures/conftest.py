from collections.abc import Iterator

import pytest

from outbox.demo.postgres_server import PostgresServer
from tests.acceptance.conftest import host, start_daemon, zoho
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template
from tests.store.host import Host

__all__ = ["host", "start_daemon", "zoho"]


@pytest.fixture
def own_host(own_postgres: PostgresServer) -> Iterator[Host]:
    """A migrated database on a server that no other test sees."""
    database = Databases(own_postgres, "own").create(migrated_template(HostShape()))
    with Host(database) as host:
        yield host
