import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.conftest import host, start_daemon, zoho
from tests.migration.migrated import DAEMON
from tests.pooler.pgbouncer import PgBouncer, PoolMode, find_pgbouncer
from tests.store.host import Host

__all__ = ["host", "start_daemon", "zoho"]

MISSING = "needs PgBouncer: apt-get install --no-install-recommends pgbouncer"


@pytest.fixture
def open_pooler(host: Host) -> Iterator[Callable[[PoolMode], PgBouncer]]:
    """Starts PgBouncer before the test's database, for the daemon's login."""
    program = find_pgbouncer()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MISSING}; .ci/run does so, and CI skips no failure of the list")
        pytest.skip(MISSING)
    with ExitStack() as stack:
        yield lambda mode: stack.enter_context(PgBouncer(program, host.database.dsn(DAEMON), mode))
