"""Columns that the host may not have, or not yet have shown to us.

``customer_invoices`` gained columns after November 2025. So each read asks which of the optional columns are there
(0.2 ms a batch), in place of remembering it and being wrong in the middle of the night. A column that is there and not
granted yet means that the host has just gained it: to take it for absent would send payments without their invoices,
for good. What needs it stands still until ``migrate`` has run.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from outbox.database import DatabaseUnavailable, Row

READABLE = """
SELECT
    attribute.attname AS name,
    has_column_privilege(attribute.attrelid, attribute.attnum, 'SELECT') AS readable
FROM pg_catalog.pg_attribute AS attribute
WHERE attribute.attrelid = to_regclass(%(table)s)
    AND attribute.attname = ANY (%(columns)s)
    AND NOT attribute.attisdropped
"""


class ColumnNotGranted(DatabaseUnavailable):
    """The host gained a column that the daemon may not read yet. Try again after ``migrate``."""


async def optional_columns(
    connection: psycopg.AsyncConnection[Row], table: str, alias: str, types: Mapping[str, str]
) -> sql.Composed:
    """A select list of ``types`` (SQL type by column) on ``alias``, with NULL of that type for what is not there.

    ``table`` without its schema, which is ``public``. Raises :class:`ColumnNotGranted`.
    """
    parameters = {"table": f"public.{table}", "columns": list(types)}
    rows = await (await connection.execute(READABLE, parameters)).fetchall()
    hidden = sorted(row["name"] for row in rows if not row["readable"])
    if hidden:
        raise ColumnNotGranted(
            f"public.{table} has the new column {', '.join(hidden)}, which may not be read yet: run zoho-outbox migrate"
        )
    present = {row["name"] for row in rows}
    columns = [
        sql.SQL("{}.{} AS {}").format(sql.Identifier(alias), sql.Identifier(name), sql.Identifier(name))
        if name in present
        else sql.SQL("NULL::{} AS {}").format(sql.Identifier(kind), sql.Identifier(name))
        for name, kind in types.items()
    ]
    return sql.SQL(", ").join(columns)
