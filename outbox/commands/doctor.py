"""``doctor --accept-database``: the way out of the refusal of a database that is not the one installed."""

from outbox.commands.opening import open_database
from outbox.settings import DatabaseSettings
from outbox.store import installation


async def accept_database(settings: DatabaseSettings) -> str:
    """Makes this database the one that sends; returns what was done."""
    async with open_database(settings) as database:
        return await installation.accept_database(database)
