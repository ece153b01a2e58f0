"""Host rows as they are now; also those that Python cannot hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from outbox.database import Database, Row
from outbox.entities.contract import AnyEntity
from outbox.sending.attempt import Ended, Sender
from outbox.store.verdicts import Claim


@dataclass(frozen=True)
class Undecodable:
    """In place of a row that the database gives and Python cannot hold."""

    error: psycopg.DataError


async def read_row(database: Database, entity: AnyEntity, entity_id: UUID) -> Any | Undecodable | None:
    """The present host row, with all that its payload needs."""
    try:
        async with database.connection() as connection:
            return (await entity.read(connection, [entity_id])).get(entity_id)
    except psycopg.DataError as undecodable:
        return Undecodable(undecodable)


async def read_rows(
    connection: psycopg.AsyncConnection[Row], entity: AnyEntity, ids: Sequence[UUID]
) -> dict[UUID, Any | Undecodable]:
    """The present host rows. One that cannot be held does not hide its neighbours: they are read without it."""
    try:
        async with connection.transaction():
            return dict(await entity.read(connection, ids))
    except psycopg.DataError as undecodable:
        if len(ids) == 1:
            return {ids[0]: Undecodable(undecodable)}
    half = len(ids) // 2
    return await read_rows(connection, entity, ids[:half]) | await read_rows(connection, entity, ids[half:])


def named_by(entity: AnyEntity, row: Any | Undecodable | None, entity_id: UUID) -> str:
    """As people know it, where the row says so."""
    return f"{entity.entity_type} {entity_id}" if row is None or isinstance(row, Undecodable) else entity.named(row)


async def attempt(
    sender: Sender,
    entity: AnyEntity,
    claim: Claim,
    row: Any | Undecodable | None,
    on_interrupt: Callable[[Ended], None],
) -> Ended:
    """The sender's attempt, on whatever was read."""
    if isinstance(row, Undecodable):
        return sender.undecodable(claim, row.error)
    return await sender.attempt(entity, claim, row, on_interrupt)
