"""LISTEN, proved by a round trip over DATABASE_LISTEN_URL; and what DATABASE_URL does with it.

The channel is doctor's own and not the daemon's: a pooler in transaction mode leaves a LISTEN behind on a connection
that serves others, who would hear of every change from then on.
"""

from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

import anyio
import psycopg

from outbox.commands.doctor.findings import Finding, failed, ok, warning
from outbox.database import Database, DatabaseUnavailable, Row
from outbox.database.access import Connection, sever
from outbox.store.doctor import place

CHANNEL = "zoho_outbox_doctor"
ECHO_SECONDS = 3.0
"""A notification that has not come back after this long is lost."""


class Heard(StrEnum):
    """How a round trip ended."""

    ECHO = "echo"
    SILENCE = "silence"
    """Accepted, and lost: a pooler in transaction mode."""
    ELSEWHERE = "elsewhere"
    """The connection leads to another database."""
    NO_CONNECTION = "no_connection"


@dataclass(frozen=True)
class RoundTrip:
    """``why`` where there was no connection, or whither it led."""

    heard: Heard
    why: str = ""


async def round_trip(listening: Database, ordinary: Database, echo_seconds: float = ECHO_SECONDS) -> RoundTrip:
    """LISTENs over one way, NOTIFYs over the other. Raises ``DatabaseUnavailable`` where the other is away."""
    async with ordinary.connection() as connection:
        here = await place(connection)
    try:
        connection = await listening.connect()
    except DatabaseUnavailable as absent:
        return RoundTrip(Heard.NO_CONNECTION, str(absent))
    try:
        return await _listened(connection, ordinary, here, echo_seconds)
    except (psycopg.Error, TimeoutError) as error:
        return RoundTrip(Heard.NO_CONNECTION, str(error).strip().partition("\n")[0] or type(error).__name__)
    finally:
        sever(connection)
        with anyio.CancelScope(shield=True):
            await connection.close()


async def _listened(connection: Connection, ordinary: Database, here: Row | None, echo_seconds: float) -> RoundTrip:
    with anyio.fail_after(echo_seconds + 5):
        there = await place(connection)
        if there != here and there is not None and here is not None:
            return RoundTrip(
                Heard.ELSEWHERE, f"database {there['database_name']} in cluster {there['system_identifier']}"
            )
        await connection.execute(f"LISTEN {CHANNEL}")
    payload = str(uuid4())
    await ordinary.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])
    heard = Heard.SILENCE
    # Closed before the next statement: as long as it is open it holds the connection.
    async with aclosing(connection.notifies(timeout=echo_seconds)) as notifications:
        async for notification in notifications:
            if notification.payload == payload:
                heard = Heard.ECHO
                break
    with anyio.fail_after(echo_seconds):
        await connection.execute(f"UNLISTEN {CHANNEL}")
    return RoundTrip(heard)


def check_listen(trip: RoundTrip, *, separate: bool) -> Finding:
    """``separate``: DATABASE_LISTEN_URL is another one than DATABASE_URL."""
    name = "DATABASE_LISTEN_URL" if separate else "DATABASE_URL"
    match trip.heard:
        case Heard.ECHO:
            return ok("listen", f"a notification made the round trip over {name}")
        case Heard.SILENCE:
            what = f"a notification did not come back over {name} within {ECHO_SECONDS:.0f} s: "
            return failed(
                "listen",
                f"{what}a pooler in transaction mode stands between; the daemon would poll, and changes take seconds",
                "set DATABASE_LISTEN_URL to a direct connection, or one in session mode",
            )
        case Heard.ELSEWHERE:
            return failed(
                "listen",
                f"DATABASE_LISTEN_URL leads to another place than DATABASE_URL: {trip.why}",
                "let both lead to the same database",
            )
        case Heard.NO_CONNECTION:
            return failed("listen", f"no connection over {name}: {trip.why}", f"check {name} and the server")


def check_pooler(trip: RoundTrip | None) -> Finding:
    """``trip`` over DATABASE_URL, where that is not what is listened on; None: it is, and listen says all."""
    if trip is None:
        return ok("pooler", "DATABASE_LISTEN_URL is not set: see listen")
    match trip.heard:
        case Heard.ECHO:
            return ok("pooler", "DATABASE_URL carries notifications, too: direct, or a pooler in session mode")
        case Heard.SILENCE:
            return ok("pooler", "DATABASE_URL goes through a pooler in transaction mode, which is all right for it")
        case Heard.ELSEWHERE | Heard.NO_CONNECTION:
            return warning(
                "pooler", f"a second connection over DATABASE_URL did not work: {trip.why}", "run doctor again"
            )
