"""``pause`` and ``resume``: the SQL functions of the same names, for every replica at once."""

from outbox.commands.acting import acting
from outbox.commands.opening import open_database
from outbox.settings import DatabaseSettings


async def pause(settings: DatabaseSettings, why: str | None) -> str:
    """Stops sending; returns what the database says. Asks for no particular schema: it is a lever for bad days."""
    async with open_database(settings, fit=False) as database, acting(database) as connection:
        row = await (await connection.execute("SELECT public.zoho_outbox_pause(%s) AS said", [why])).fetchone()
    return "" if row is None else str(row["said"])


async def resume(settings: DatabaseSettings) -> str:
    """Ends a pause; returns what the database says."""
    async with open_database(settings, fit=False) as database, acting(database) as connection:
        row = await (await connection.execute("SELECT public.zoho_outbox_resume() AS said")).fetchone()
    return "" if row is None else str(row["said"])
