"""Which row TYPE and ID mean: a uuid, or for customers the account number that people know."""

from uuid import UUID

from outbox.commands.failures import CommandFailed, WrongUse
from outbox.entities.registry import ENTITIES
from outbox.store.readings import Readings, Unreadable
from outbox.vocabulary import EntityType

LONGEST_ACCOUNT_NUMBER = 20
"""Of ``customers.account_number`` (host-schema)."""


def parse_id(entity_type: EntityType, text: str) -> UUID | str:
    """A uuid, or the account number of a customer. Raises :class:`WrongUse`."""
    wanted = text.strip()
    try:
        return UUID(wanted)
    except ValueError:
        pass
    if entity_type is not EntityType.CUSTOMER:
        raise WrongUse(f"{text!r} is no uuid: give the id of the {entity_type}'s row")
    if not wanted or len(wanted) > LONGEST_ACCOUNT_NUMBER or not wanted.isprintable():
        raise WrongUse(
            f"{text!r} is neither a uuid nor an account number: give the customer's id, or something like CT-2025-00015"
        )
    return wanted


def refuse_unsent(entity_type: EntityType) -> None:
    """Raises :class:`CommandFailed` for a type that this version does not send."""
    if entity_type not in ENTITIES:
        sent = ", ".join(f"{known}s" for known in ENTITIES)
        raise CommandFailed(
            f"{entity_type}s are not sent by this version of zoho-outbox, only {sent}: nothing of them is captured"
        )


async def resolve(readings: Readings, wanted: UUID | str) -> UUID:
    """The row's id. Raises :class:`CommandFailed` where no customer has the account number."""
    if isinstance(wanted, UUID):
        return wanted
    found = await readings.customer_by_account_number(wanted)
    if isinstance(found, Unreadable):
        raise CommandFailed(
            f"role {await readings.role()} may not read public.customers, so {wanted!r} cannot be looked up: "
            "give the customer's uuid, or let the owner of the tables run zoho-outbox migrate, which grants it"
        )
    if found is None:
        raise CommandFailed(f"there is no customer with the account number {wanted!r}: check it")
    return found
