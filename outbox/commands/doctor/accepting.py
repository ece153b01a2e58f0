"""``doctor --accept-database`` and ``--accept-billing-mode``: the ways out of two refusals to start."""

from outbox.commands.billing_mode import BillingSettings, consequences
from outbox.commands.failures import CommandFailed
from outbox.commands.opening import open_database
from outbox.settings import DatabaseSettings
from outbox.store import installation
from outbox.store.readings import Readings


async def accept_database(settings: DatabaseSettings) -> str:
    """Makes this database the one that sends; returns what was done."""
    async with open_database(settings) as database:
        return await installation.accept_database(database)


async def accept_billing_mode(settings: BillingSettings) -> str:
    """ZOHO_RECURRING_BILLING as it is set now holds from now on; returns what that bills twice or not at all.

    Raises :class:`CommandFailed` while a daemon runs: it would go on as before, beside those that start anew.
    """
    wanted = settings.zoho_recurring_billing
    async with open_database(settings) as database:
        readings = Readings(database)
        was = (await readings.installation())["recurring_billing"]
        if was is None:
            return "nothing to accept: nothing has been sent from this database yet"
        if was == wanted:
            return f"nothing to accept: ZOHO_RECURRING_BILLING is {wanted.value!r}, as it was"
        if await readings.a_daemon_runs():
            raise CommandFailed(
                f"a daemon runs with ZOHO_RECURRING_BILLING={was}: stop every daemon, then accept the other value"
            )
        told = await consequences(database, settings)
        if not await installation.accept_billing_mode(database, wanted, was):
            raise CommandFailed("somebody else changed it in the same moment: look at it with zoho-outbox status")
    accepted = f"accepted: ZOHO_RECURRING_BILLING={wanted.value} takes the place of {was}"
    return "\n".join([*told, "", accepted] if told else [accepted])
