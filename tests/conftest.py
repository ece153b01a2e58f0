"""One PostgreSQL for the whole run, a database for each test.

The run's controller opens the server, tells its address to every worker, and takes it down at the end. A run
without workers (``-n 0``) opens it when the first test asks.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any

import pytest

from outbox.demo.postgres_server import PostgresServer
from tests.host.databases import Database, Databases
from tests.host.server import TestServer, embedded_server, open_server
from tests.host.shapes import HostShape, prepare_server
from tests.machine.statistics import statistics_of, summary
from tests.migration.migrated import migrated_template
from tests.month.closing import closing_lines

_SERVER = pytest.StashKey[TestServer | Exception]()


def _server_of_the_run(config: pytest.Config) -> TestServer | Exception:
    """The server, or why there is none: tests that need no database run all the same."""
    if _SERVER not in config.stash:
        told = getattr(config, "workerinput", None)
        if told is not None:
            address = told["postgres"]
            config.stash[_SERVER] = (
                RuntimeError(address) if isinstance(address, str) else TestServer.from_worker(address)
            )
        else:
            with ExitStack() as stack:
                try:
                    config.stash[_SERVER] = open_server(stack)
                except Exception as error:  # kept, and raised by every test that needs it
                    config.stash[_SERVER] = error
                else:
                    config.add_cleanup(stack.pop_all().close)
    return config.stash[_SERVER]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the server is."""
    server = _server_of_the_run(node.config)
    node.workerinput["postgres"] = (
        server.to_worker() if isinstance(server, TestServer) else f"{type(server).__name__}: {server}"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which server the tests used, what the state machine went through, and how the months closed."""
    for line in summary(statistics_of(chain.from_iterable(terminalreporter.stats.values()))):
        terminalreporter.write_line(line)
    for line in closing_lines(chain.from_iterable(terminalreporter.stats.values())):
        terminalreporter.write_line(line)
    match config.stash.get(_SERVER, None):
        case TestServer() as server:
            terminalreporter.write_line(f"PostgreSQL {server.version}: {server.origin}")
        case Exception() as error:
            terminalreporter.write_line(f"PostgreSQL: none ({error})", red=True)
        case None:
            terminalreporter.write_line("PostgreSQL: not needed by these tests")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, which psycopg and uvicorn need."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> TestServer:
    """The run's server, shared by all workers. Roles are shared too: a test that drops one needs its own."""
    server = _server_of_the_run(pytestconfig)
    if isinstance(server, Exception):
        raise server
    return server


@pytest.fixture(scope="session")
def databases(postgres: TestServer) -> Databases:
    """Creates databases on the run's server, from templates."""
    return postgres.databases


@pytest.fixture
def host_database(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    """A database of the host, as it is today on Supabase, without rows.

    Another shape: ``@pytest.mark.parametrize("host_database", [HostShape(...)], indirect=True)``.
    """
    shape: HostShape = getattr(request, "param", HostShape())
    with databases.fresh(shape.template) as database:
        yield database


@pytest.fixture
def new_host_database(databases: Databases) -> Iterator[Callable[[HostShape], Database]]:
    """Makes as many host databases as a test needs, each of its own shape."""
    with ExitStack() as stack:
        yield lambda shape: stack.enter_context(databases.fresh(shape.template))


@pytest.fixture
def migrated_database(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    """A database of the host that ``migrate`` has been through, as it is today on Supabase, without rows.

    ``.dsn("zoho_outbox_daemon")`` logs in as the daemon, ``.dsn("finance_operator")`` as an operator, ``.dsn()``
    as the migrator who owns the host's tables. Another shape:
    ``@pytest.mark.parametrize("migrated_database", [HostShape(...)], indirect=True)``.
    """
    shape: HostShape = getattr(request, "param", HostShape())
    with databases.fresh(migrated_template(shape)) as database:
        yield database


@pytest.fixture
def new_migrated_database(databases: Databases) -> Iterator[Callable[[HostShape], Database]]:
    """Makes as many migrated databases as a test needs, each of its own shape."""
    with ExitStack() as stack:
        yield lambda shape: stack.enter_context(databases.fresh(migrated_template(shape)))


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that no other test sees, to restart, kill or drop roles on; with the host's roles.

    ``Databases(own_postgres, "own")`` creates databases on it.
    """
    with embedded_server() as server:
        prepare_server(server)
        yield server
