"""Which PostgreSQL the tests use: the one they are told, else a container, else an embedded one."""

import gc
import os
import shutil
import socket
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from outbox.demo.postgres_server import PostgresServer
from tests.host.databases import Databases
from tests.host.shapes import prepare_server

TEST_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "max_wal_size": "256MB",
}
"""A test server's data need not outlive its machine. They do outlive its crash: commits stay synchronous."""

OLDEST_VERSION = 15

_DOCKER_SECONDS = 3.0
_ROOM_IN_MEMORY_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class TestServer:
    """Where the run's server answers. Plain text, so that it travels to the workers."""

    __test__ = False

    superuser_url: str
    version: str
    origin: str
    """Which kind of server, in words for people."""
    run: str
    """Begins the names of this run's databases."""

    def dsn(self, database: str = "postgres", user: str | None = None) -> str:
        """A libpq URL. Without a user: the superuser that the tests were given."""
        parts = {name: str(value) for name, value in conninfo_to_dict(self.superuser_url).items()}
        parts.pop("dbname", None)
        login = quote(user or parts.get("user", "postgres"), safe="")
        parts.pop("user", None)
        if (password := parts.pop("password", None)) is not None:
            login += f":{quote(password, safe='')}"
        address = ""
        if not any(mark in parts.get("host", "/") for mark in "/,"):
            address = f"{parts.pop('host')}:{parts.pop('port', '5432')}"
        rest = f"?{urlencode(parts, quote_via=quote)}" if parts else ""
        return f"postgresql://{login}@{address}/{quote(database, safe='')}{rest}"

    @property
    def databases(self) -> Databases:
        """Creates this run's databases."""
        return Databases(self, self.run)

    def to_worker(self) -> dict[str, str]:
        """As a test worker is told."""
        return asdict(self)

    @classmethod
    def from_worker(cls, told: Mapping[str, str]) -> Self:
        """As the worker understands it."""
        return cls(**told)


def embedded_server() -> PostgresServer:
    """A server for tests, not started yet: in memory where there is room.

    A database from a template took 10 ms in memory, and 16 to 230 ms on a busy disk.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_IN_MEMORY_BYTES
    return PostgresServer(settings=TEST_SETTINGS, base_directory=memory if roomy else None)


def open_server(stack: ExitStack) -> TestServer:
    """The server for one test run, with the host's roles; ``stack`` takes it down again.

    ``$TEST_DATABASE_URL`` must name a superuser. A Docker engine that answers but cannot run the image
    (``$TEST_POSTGRES_IMAGE``) is passed over, and the origin says so.
    """
    run = f"outbox_test_{uuid4().hex[:8]}"
    if told := os.environ.get("TEST_DATABASE_URL"):
        server = _checked(told, "TEST_DATABASE_URL", run)
        prepare_server(server)
        # What we own goes with its server; what we were lent is left without our databases.
        stack.callback(server.databases.drop_templates)
        return server
    url, origin = _container(stack)
    if url is None:
        embedded = stack.enter_context(embedded_server())
        url = embedded.dsn()
        origin = f"embedded, from {embedded.binaries.origin}{origin}"
    server = _checked(url, origin, run)
    prepare_server(server)
    return server


def _container(stack: ExitStack) -> tuple[str | None, str]:
    """The URL of a PostgreSQL in a container and its description; no URL, and why, where there is none."""
    if not _docker_answers():
        return None, ""
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - half a second

    image = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:18")
    settings = [part for name, value in TEST_SETTINGS.items() for part in ("-c", f"{name}={value}")]
    with warnings.catch_warnings():
        # Docker's client leaves its socket open where the engine refuses it.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            container = PostgresContainer(image, username="postgres", dbname="postgres", driver=None)
            stack.enter_context(container.with_command(["postgres", *settings]))
        except Exception as error:  # no such image, no registry, no rights: the tests run all the same
            reason = type(error).__name__
        else:
            return container.get_connection_url(), f"testcontainers, image {image}"
        gc.collect()
    return None, f" (Docker answers, but {image} did not start: {reason})"


def _docker_answers() -> bool:
    """Whether something listens where Docker's engine should."""
    engine = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    try:
        if engine.scheme == "unix":
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(_DOCKER_SECONDS)
                probe.connect(engine.path)
        else:
            socket.create_connection((engine.hostname, engine.port or 2375), _DOCKER_SECONDS).close()
    except OSError:
        return False
    return True


def _checked(url: str, origin: str, run: str) -> TestServer:
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        number = connection.info.server_version
    if row is None or not row[1]:
        raise RuntimeError(f"the tests create roles and databases: {origin} must name a superuser")
    if number < OLDEST_VERSION * 10_000:
        raise RuntimeError(f"PostgreSQL {OLDEST_VERSION} or later is needed; {origin} is {row[0]}")
    return TestServer(url, str(row[0]).split()[0], origin, run)
