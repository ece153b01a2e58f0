"""The processes that send, and the bell that wakes them."""

import os
import socket
from uuid import UUID

from outbox import __version__
from outbox.database import Database
from outbox.store.statements import statement

CHANNEL = "zoho_outbox"
"""Of NOTIFY; also in ``sql/repeatable/01_capture.sql``."""


class SessionStore:
    """This process's row in ``zoho_outbox_private.session``, and the shared bell."""

    def __init__(self, database: Database, session: UUID, kind: str) -> None:
        self._database = database
        self._parameters = {
            "id": session,
            "kind": kind,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "program_version": __version__,
        }

    async def heartbeat(self, *, listening: bool, draining: bool) -> None:
        """Registers this process, and says that it is alive."""
        await self._database.execute(
            statement("register_session"), self._parameters | {"listening": listening, "draining": draining}
        )

    async def goodbye(self) -> None:
        """This process ends."""
        await self._database.execute(statement("remove_session"), {"id": self._parameters["id"]})

    async def want_bell(self, wanted: bool) -> None:
        """Whether capture triggers are to NOTIFY."""
        await self._database.execute(statement("want_bell"), {"wanted": wanted}, prepare=True)
