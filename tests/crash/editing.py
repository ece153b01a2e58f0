"""What every type's acts are made of: a row inserted, a row changed, a word of the dice."""

from collections.abc import Mapping
from random import Random
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from tests.crash.applications import Applications, Connection
from tests.crash.workload import Row

_NAMES = ("Anna", "Ben", "Cléo", "Dan", "Eve", "Finn", "Gráinne", "Ünal", "Ωmega", "Zoë 🦓", "O'Neil", 'The "Q"')


def word(dice: Random) -> str:
    """Never the same twice, as good as."""
    return f"{dice.choice(_NAMES)} {dice.randrange(10**6):06d}"


async def insert(connection: Connection, table: str, row: Row) -> None:
    """Inserts ``row`` into a table of ``public``."""
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    values = sql.SQL(", ").join(map(sql.Placeholder, row))
    statement = sql.SQL("INSERT INTO public.{} ({}) VALUES ({})").format(sql.Identifier(table), columns, values)
    await connection.execute(statement, row)


async def update(
    connection: Connection, table: str, row_id: UUID, change: Mapping[str, Any], only_in: tuple[str, ...] = ()
) -> bool:
    """Changes a row of ``public``, where its ``status`` is one of ``only_in`` (none named: whatever it is); whether it
    was there."""
    changes = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in change]
    condition = sql.SQL(" AND status = ANY (%(__only_in)s)") if only_in else sql.SQL("")
    statement = sql.SQL("UPDATE public.{} SET {} WHERE id = %(__id)s{}").format(
        sql.Identifier(table), sql.SQL(", ").join(changes), condition
    )
    cursor = await connection.execute(statement, {**change, "__id": row_id, "__only_in": list(only_in)})
    return cursor.rowcount > 0


async def change(
    applications: Applications, table: str, row_id: UUID, values: Mapping[str, Any], only_in: tuple[str, ...] = ()
) -> None:
    """:func:`update` in a transaction of its own."""

    async def work(connection: Connection) -> None:
        await update(connection, table, row_id, values, only_in)

    await applications.transact(work)


async def ask_again(applications: Applications, table: str, ids: list[UUID]) -> None:
    """``SET zoho_sync_status = 'pending'`` by hand. Locks in one order: a deadlock is then a daemon's doing."""
    name = sql.Identifier(table)

    async def work(connection: Connection) -> None:
        await connection.execute(
            sql.SQL("SELECT FROM public.{} WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE").format(name), [ids]
        )
        await connection.execute(
            sql.SQL("UPDATE public.{} SET zoho_sync_status = 'pending' WHERE id = ANY (%s)").format(name), [ids]
        )

    await applications.transact(work)


async def ask_those_again(applications: Applications, table: str, condition: LiteralString) -> None:
    """The same for every row of a condition; insists until that is certain."""
    statement = sql.SQL("UPDATE public.{} SET zoho_sync_status = 'pending' WHERE {}").format(
        sql.Identifier(table),
        sql.SQL(condition),
    )

    async def work(connection: Connection) -> None:
        await connection.execute(statement)

    while not await applications.transact(work):
        pass
