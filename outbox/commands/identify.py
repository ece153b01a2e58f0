"""Which row TYPE and ID mean: a uuid, or what people know the row by."""

from dataclasses import dataclass
from uuid import UUID

from outbox.commands.failures import CommandFailed, WrongUse
from outbox.host_tables import HOST_TABLES
from outbox.store.readings import Readings, Unreadable
from outbox.vocabulary import EntityType


@dataclass(frozen=True)
class Handle:
    """What people call a row of a type, beside its uuid."""

    called: str
    example: str
    longest: int
    """Characters; of the host's column where that has a bound (host-schema)."""
    also_called: str | None = None


HANDLES: dict[EntityType, Handle] = {
    EntityType.CUSTOMER: Handle("account number", "CT-2025-00015", 20),
    EntityType.INVOICE: Handle("invoice number", "INV-2025-00001", 100),
    EntityType.PAYMENT: Handle("transaction id", "NC-0001", 200, also_called="reference"),
}
"""Types whose :class:`~outbox.host_tables.HostTable` has ``known_by``. A service has nothing that names it alone."""


def parse_id(entity_type: EntityType, text: str) -> UUID | str:
    """A uuid, or what people know the row by. Raises :class:`WrongUse`."""
    wanted = text.strip()
    try:
        return UUID(wanted)
    except ValueError:
        pass
    handle = HANDLES.get(entity_type)
    if handle is None:
        table = HOST_TABLES[entity_type].name
        raise WrongUse(f"{text!r} is no uuid: give the id of the {entity_type}'s row in {table}")
    if not wanted or len(wanted) > handle.longest or not wanted.isprintable():
        raise WrongUse(
            f"{text!r} is neither a uuid nor {_article(handle.called)}: give the {entity_type}'s id, "
            f"or something like {handle.example}"
        )
    return wanted


async def resolve(readings: Readings, entity_type: EntityType, wanted: UUID | str) -> UUID:
    """The row's id. Raises :class:`CommandFailed` where no row is called so, or several are."""
    if isinstance(wanted, UUID):
        return wanted
    table, handle = HOST_TABLES[entity_type], HANDLES[entity_type]
    for column, called in ((table.known_by, handle.called), (table.also_known_by, handle.also_called)):
        if column is None:
            continue
        found = await readings.known_as(entity_type, column, wanted)
        if isinstance(found, Unreadable):
            raise CommandFailed(
                f"role {await readings.role()} may not read public.{table.name}.{column}, so {wanted!r} cannot be "
                f"looked up: give the {entity_type}'s uuid, or let the owner of the tables run zoho-outbox migrate, "
                "which grants what operators may see"
            )
        if len(found) > 1:
            raise CommandFailed(
                f"several {entity_type}s have the {called} {wanted!r} ({found[0]}, {found[1]}): "
                f"give the uuid or the {handle.called} of one"
            )
        if found:
            return found[0]
    either = f"{handle.called} or {handle.also_called}" if handle.also_called else handle.called
    raise CommandFailed(f"there is no {entity_type} with the {either} {wanted!r}: check it")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
