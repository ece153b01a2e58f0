"""Zoho ids that a rollback would lose, and the file that keeps them.

Without these ids a later installation would have to look for every record in Zoho, or would create it twice.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from outbox.host_tables import HOST_TABLES, HostTable

Identity = tuple[str, str, str]
"""Entity type, id of the host row, Zoho id."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def ids_at_stake(
    connection: psycopg.Connection[Any], dropped: Mapping[str, bool], *, with_state: bool
) -> Iterator[Identity]:
    """Every Zoho id that stands in a column which is to be dropped, or in entity_state alone.

    ``dropped`` says of each host table whether its Zoho id column goes; a table that has no such column is not in it.
    ``with_state``: entity_state is there. An id of a row that was deleted in the host counts too: the record is in
    Zoho still.
    """
    with connection.cursor() as cursor:
        for table in HOST_TABLES.values():
            if dropped.get(table.name, False):
                yield from (_identity(row) for row in cursor.execute(_in_column(table)))
        if with_state:
            for table in HOST_TABLES.values():
                yield from (_identity(row) for row in cursor.execute(_in_state_alone(table, table.name in dropped)))


def _identity(row: Any) -> Identity:
    entity_type, entity_id, zoho_id = row
    return str(entity_type), str(entity_id), str(zoho_id)


def _in_column(table: HostTable) -> sql.Composed:
    return sql.SQL(
        "SELECT {entity_type}, host.id, host.{zoho_id} FROM public.{table} AS host "
        "WHERE host.{zoho_id} IS NOT NULL ORDER BY host.id"
    ).format(
        entity_type=sql.Literal(str(table.entity_type)),
        table=sql.Identifier(table.name),
        zoho_id=sql.Identifier(table.zoho_id),
    )


def _in_state_alone(table: HostTable, has_column: bool) -> sql.Composed:
    written = sql.SQL(
        "AND NOT EXISTS (SELECT FROM public.{table} AS host WHERE host.id = state.entity_id "
        "AND host.{zoho_id} = state.zoho_id)"
    ).format(table=sql.Identifier(table.name), zoho_id=sql.Identifier(table.zoho_id))
    return sql.SQL(
        "SELECT state.entity_type, state.entity_id, state.zoho_id FROM zoho_outbox_private.entity_state AS state "
        "WHERE state.entity_type = {entity_type} AND state.zoho_id IS NOT NULL {written} ORDER BY state.entity_id"
    ).format(entity_type=sql.Literal(str(table.entity_type)), written=written if has_column else sql.SQL(""))


class ZohoIdFile:
    """A new file ``zoho-ids-<database>-<UTC time>.csv``, readable by its owner alone.

    What :meth:`add` was given is on disk when it returns. Raises ``OSError`` where the file cannot be made or written.
    """

    def __init__(self, directory: Path, database: str) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", database)
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.path = directory / f"zoho-ids-{name}-{moment}.csv"
        self.written: set[Identity] = set()
        # Exclusively: a file of an earlier rollback is never overwritten.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(["entity_type", "entity_id", "zoho_id"])
        self._sync()
        directory_descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(directory_descriptor)
        finally:
            os.close(directory_descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, identities: Iterable[Identity]) -> None:
        """Writes those that it does not hold yet, and returns once they are on disk."""
        for identity in identities:
            if identity not in self.written:
                self._rows.writerow([_cell(part) for part in identity])
                self.written.add(identity)
        self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def _cell(text: str) -> str:
    # A spreadsheet would take it for a formula. What a person set by hand may be anything.
    return f"'{text}" if text.startswith(_FORMULA) else text
