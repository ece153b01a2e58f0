"""The store's SQL, one statement a file, each with its purpose at its head.

A statement may have sections that can be left out: ``-- <log>`` to ``-- </log>``. A parameter would not do: rights and
columns are checked for every table that a statement names, also where it would not be written. What stands in
``-- <no log>`` to ``-- </no log>`` takes the place of a section that is left out.
"""

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

from psycopg import sql

_SECTION = re.compile(r"[ \t]*-- <(?P<name>[a-z ]+)>\n(?P<text>.*?)[ \t]*-- </(?P=name)>\n", re.DOTALL)


@cache
def statement(name: str, *without: str) -> LiteralString:
    """The text of ``<name>.sql``, without the sections named in ``without``."""
    text = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")

    def kept(section: re.Match[str]) -> str:
        tag = section["name"]
        wanted = tag.removeprefix("no ") in without if tag.startswith("no ") else tag not in without
        return section["text"] if wanted else ""

    return _SECTION.sub(kept, text)


@cache
def statement_limited(name: str, **limits: int) -> sql.Composed:
    """As :func:`statement`, with numbers of rows for their placeholders: ``LIMIT {batch}``.

    In the text, where the statement is prepared: of a parameter the planner would expect a tenth of all rows, and with
    a million of them it read every state for a thousand entries.
    """
    return sql.SQL(statement(name)).format(**{key: sql.Literal(rows) for key, rows in limits.items()})


@cache
def statement_for_host(name: str, host_table: str, zoho_id: str, *without: str) -> sql.Composed:
    """As :func:`statement`, with a host table of ``public`` and its Zoho id column for their placeholders."""
    return sql.SQL(statement(name, *without)).format(
        host_table=sql.Identifier("public", host_table), zoho_id=sql.Identifier(zoho_id)
    )


@cache
def statement_by_name(name: str, host_table: str, zoho_id: str, known_by: str | None) -> sql.Composed:
    """As :func:`statement_for_host`, with the column by which people know a row; NULL where there is none."""
    return sql.SQL(statement(name)).format(
        host_table=sql.Identifier("public", host_table),
        zoho_id=sql.Identifier(zoho_id),
        known_by=sql.SQL("NULL::text") if known_by is None else sql.Identifier("host", known_by),
    )
