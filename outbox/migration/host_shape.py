"""What the host database looks like, read from its catalogue. Reads only."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg

from outbox.host_tables import HOST_TABLES, READ_TABLES

HOST_TABLE_NAMES = (*(table.name for table in HOST_TABLES.values()), *READ_TABLES)
LOG_TABLE = "zoho_sync_logs"
OUTBOX_TABLE = "zoho_outbox"

_LITERAL = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Check:
    """A CHECK constraint of one column."""

    name: str
    column: str
    definition: str
    """As ``pg_get_constraintdef`` writes it."""
    condition: str
    """The expression alone, with every name qualified that does not stand in ``pg_catalog``."""

    def admits(self, words: Iterable[str]) -> bool:
        """Whether the constraint evidently lets all ``words`` in: it names each of them.

        What cannot be told from the text counts as refused: widening it needlessly does no harm.
        """
        return set(words) <= {literal.replace("''", "'") for literal in _LITERAL.findall(self.condition)}


@dataclass(frozen=True)
class TableShape:
    """A table of ``public``: its columns in order, its one-column CHECKs, its indexes, triggers and policies."""

    name: str
    columns: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    indexes: frozenset[str] = frozenset()
    invalid_indexes: frozenset[str] = frozenset()
    always_triggers: frozenset[str] = frozenset()
    """Triggers that are enabled ALWAYS: those that a replica-mode load fires too."""
    policies: frozenset[str] = frozenset()


class Ledger(StrEnum):
    """Whether ``zoho_outbox_private`` says what migrate has done."""

    ABSENT = "absent"
    UNREADABLE = "unreadable"
    """It is there, and the role that asks may not read it."""
    READABLE = "readable"


@dataclass(frozen=True)
class HostDatabase:
    """The tables that are present, and what migrate has done so far."""

    tables: dict[str, TableShape]
    """Those of the host, ``zoho_sync_logs`` and ``zoho_outbox``, by name."""
    ledger: Ledger
    applied: dict[str, str]
    """Name of a step to the checksum of its text, as ``zoho_outbox_private.migration`` records it."""
    schema_number: int
    works_with: int
    """Oldest schema number whose programs work with this database."""
    statuses_reset: frozenset[str]

    @property
    def missing(self) -> list[str]:
        """Host tables that are not there."""
        return [name for name in HOST_TABLE_NAMES if name not in self.tables]


def read_host(connection: psycopg.Connection[Any]) -> HostDatabase:
    """Reads the host's shape. Needs the right to read the catalogue, and to be zoho_outbox_operator for the ledger.

    Runs in a transaction of its own, or in a savepoint.
    """
    with connection.transaction(), connection.cursor() as cursor:
        # Expressions are printed with qualified names, so that they mean the same wherever they are run again.
        cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
        tables = _read_tables(cursor)
        ledger = _ledger(cursor)
        applied: dict[str, str] = {}
        schema_number = works_with = 0
        reset: frozenset[str] = frozenset()
        if ledger is Ledger.READABLE:
            for name, checksum, number, oldest in cursor.execute(
                "SELECT name, checksum, number, works_with FROM zoho_outbox_private.migration"
            ):
                applied[name] = checksum
                schema_number = max(schema_number, number or 0)
                works_with = max(works_with, oldest or 0)
            reset = frozenset(
                table
                for (table,) in cursor.execute(
                    "SELECT table_name FROM zoho_outbox_private.host_change WHERE kind = 'statuses_reset'"
                )
            )
    return HostDatabase(tables, ledger, applied, schema_number, works_with, reset)


def _read_tables(cursor: psycopg.Cursor[Any]) -> dict[str, TableShape]:
    names = [*HOST_TABLE_NAMES, LOG_TABLE, OUTBOX_TABLE]
    columns = read_columns(cursor, names)
    checks: dict[str, list[Check]] = {}
    for table, *parts in cursor.execute(_CHECKS, [names]):
        checks.setdefault(table, []).append(Check(*parts))
    valid: dict[str, set[str]] = {}
    invalid: dict[str, set[str]] = {}
    for table, name, is_valid in cursor.execute(_INDEXES, [names]):
        (valid if is_valid else invalid).setdefault(table, set()).add(name)
    triggers = _names_by_table(cursor, _ALWAYS_TRIGGERS, names)
    policies = _names_by_table(cursor, _POLICIES, names)
    return {
        name: TableShape(
            name=name,
            columns=tuple(columns[name]),
            checks=tuple(checks.get(name, ())),
            indexes=frozenset(valid.get(name, ())),
            invalid_indexes=frozenset(invalid.get(name, ())),
            always_triggers=frozenset(triggers.get(name, ())),
            policies=frozenset(policies.get(name, ())),
        )
        for name in columns
    }


def read_columns(cursor: psycopg.Cursor[Any], tables: Sequence[str]) -> dict[str, list[str]]:
    """Of those of ``tables`` that are there, in their order. ``search_path`` must be pg_catalog."""
    found: dict[str, list[str]] = {}
    for table, column in cursor.execute(_COLUMNS, [tables]):
        found.setdefault(table, []).append(column)
    return found


def _names_by_table(cursor: psycopg.Cursor[Any], query: str, tables: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, name in cursor.execute(query.encode(), [tables]):
        found.setdefault(table, set()).add(name)
    return found


def _ledger(cursor: psycopg.Cursor[Any]) -> Ledger:
    # Not to_regclass: it raises where the schema is there and may not be used.
    row = cursor.execute(
        """
        SELECT
            count(*),
            COALESCE(
                bool_and(
                    has_schema_privilege(class.relnamespace, 'USAGE') AND has_table_privilege(class.oid, 'SELECT')
                ),
                false
            )
        FROM pg_class AS class
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = 'zoho_outbox_private' AND class.relname IN ('migration', 'host_change')
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns one row
    found, readable = row
    if found < 2:
        return Ledger.ABSENT
    return Ledger.READABLE if readable else Ledger.UNREADABLE


_COLUMNS = """
    SELECT class.relname, attribute.attname
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
    WHERE namespace.nspname = 'public'
        AND class.relkind IN ('r', 'p')
        AND class.relname = ANY (%s)
        AND attribute.attnum > 0
        AND NOT attribute.attisdropped
    ORDER BY class.relname, attribute.attnum
"""

_CHECKS = """
    SELECT
        class.relname,
        con.conname,
        attribute.attname,
        pg_get_constraintdef(con.oid),
        pg_get_expr(con.conbin, con.conrelid)
    FROM pg_constraint AS con
    JOIN pg_class AS class ON class.oid = con.conrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_attribute AS attribute
        ON attribute.attrelid = con.conrelid AND attribute.attnum = con.conkey[1]
    WHERE namespace.nspname = 'public'
        AND class.relname = ANY (%s)
        AND con.contype = 'c'
        AND cardinality(con.conkey) = 1
    ORDER BY class.relname, con.conname
"""

_INDEXES = """
    SELECT class.relname, index_class.relname, index.indisvalid
    FROM pg_index AS index
    JOIN pg_class AS class ON class.oid = index.indrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_class AS index_class ON index_class.oid = index.indexrelid
    WHERE namespace.nspname = 'public' AND class.relname = ANY (%s)
"""

_ALWAYS_TRIGGERS = """
    SELECT class.relname, trigger.tgname
    FROM pg_trigger AS trigger
    JOIN pg_class AS class ON class.oid = trigger.tgrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = 'public'
        AND class.relname = ANY (%s)
        AND NOT trigger.tgisinternal
        AND trigger.tgenabled = 'A'
"""

_POLICIES = "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public' AND tablename = ANY (%s)"
