"""Who types a command: the person behind sudo, where the service's own login is used.

``zoho_outbox_private.acting()`` believes a name from sessions of the daemon's role alone; everybody else is known by
the role that they signed in with.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from outbox.database import Database
from outbox.database.access import Connection


def operator(environ: Mapping[str, str] = os.environ) -> str:
    """The person's login; '' where nobody is behind the process."""
    return environ.get("SUDO_USER", "")


@asynccontextmanager
async def acting(database: Database) -> AsyncIterator[Connection]:
    """A transaction in which operators' functions record :func:`operator`."""
    async with database.transaction() as connection:
        await connection.execute("SELECT set_config('zoho_outbox.operator', %s, true)", [operator()])
        yield connection
