"""What operators do by SQL while everything is in motion, whatever the type: replay, pause, resume."""

import asyncio
from random import Random

from tests.crash.applications import Applications, Connection


async def operate(applications: Applications, dice: Random) -> None:
    """Works until cancelled; a pause is always ended."""
    while True:
        await asyncio.sleep(dice.expovariate(1 / 0.8))
        if dice.random() < 0.03:
            await _pause(applications, dice.uniform(0.5, 2.5))
        else:
            await _replay(applications, dice.random(), dice.choice([1, 1, 3, 20]), dice.choice([0.0, 0.0, 0.0, 2.0]))


async def resume(applications: Applications) -> None:
    """Ends a pause, where there is one; insists until that is certain."""
    ended = False
    while not ended:
        ended = await applications.transact(_resume, as_operator=True)


async def _replay(applications: Applications, where: float, count: int, seconds: float) -> None:
    """Sets entries to pending, in whatever status they are; now and then takes its time before it commits."""

    async def work(connection: Connection) -> None:
        cursor = await connection.execute("SELECT id FROM public.zoho_outbox ORDER BY id DESC LIMIT 400")
        recent = [entry for (entry,) in await cursor.fetchall()]
        if not recent:
            return
        start = int(where * len(recent))
        await connection.execute(
            "UPDATE public.zoho_outbox SET status = 'pending' WHERE id = ANY (%s)", [recent[start : start + count]]
        )
        await asyncio.sleep(seconds)

    await applications.transact(work, as_operator=True)


async def _pause(applications: Applications, seconds: float) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("SELECT public.zoho_outbox_pause('the crash loop')")

    await applications.transact(work, as_operator=True)
    await asyncio.sleep(seconds)
    await resume(applications)


async def _resume(connection: Connection) -> None:
    await connection.execute("SELECT public.zoho_outbox_resume()")
