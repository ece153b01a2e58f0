"""A database that is fit for a command: reached, a host database, migrated, not newer than this program."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import psycopg

from outbox.database import Database
from outbox.database.access import connection_parameters
from outbox.entities.registry import CAPTURES
from outbox.migration.fitness import check_fitness
from outbox.settings import DatabaseSettings

APPLICATION_NAME = "zoho-outbox command"


@contextmanager
def open_connection(settings: DatabaseSettings) -> Iterator[psycopg.Connection[Any]]:
    """A connection in autocommit mode, for work that is not asynchronous. Raises ``psycopg.OperationalError``."""
    conninfo = connection_parameters(settings.database_url.get_secret_value(), APPLICATION_NAME)
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
        yield connection


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, *, connections: int = 2, fit: bool = True
) -> AsyncIterator[Database]:
    """The database, for the block. ``fit`` false: whatever its schema is.

    Raises :class:`outbox.migration.fitness.Unfit`, ``psycopg.OperationalError``.
    """
    if fit:
        await asyncio.to_thread(_check, settings)
    database = Database(settings.database_url, application_name=APPLICATION_NAME, connections=connections)
    try:
        yield database
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()


def _check(settings: DatabaseSettings) -> None:
    with open_connection(settings) as connection:
        check_fitness(connection, CAPTURES)
