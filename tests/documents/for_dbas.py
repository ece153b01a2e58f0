"""The parts of deploy/docs/for-dbas.md that the catalogue of a migrated database knows: made here, compared by a test.

``python -m tests.documents.for_dbas`` writes them anew, between the markers. The prose is written by hand.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.host.databases import Databases
from tests.host.server import embedded_server
from tests.host.shapes import HostShape, prepare_server
from tests.migration.migrated import migrated_template

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "for-dbas.md"

MARKED = re.compile(r"(<!-- catalogue: (?P<name>[\w. ]+) -->\n)(?P<made>.*?)(<!-- end of catalogue -->\n)", re.DOTALL)

Connection = psycopg.Connection[Any]

ROLES = ("zoho_outbox_daemon", "zoho_outbox_operator", "zoho_outbox_owner")


def sections(text: str) -> dict[str, str]:
    """What stands between the markers, by name."""
    return {match["name"]: match["made"] for match in MARKED.finditer(text)}


def renewed(text: str, connection: Connection) -> str:
    """The page with every marked part as the catalogue says."""
    return MARKED.sub(lambda match: match[1] + made(match["name"], connection) + match[4], text)


def made(name: str, connection: Connection) -> str:
    """One part, by its name: a word of ``_PARTS``, or ``columns`` and a table."""
    part, _, argument = name.partition(" ")
    return "\n".join(_PARTS[part](connection, argument)) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'|'.join('---' for _ in headings)}|"
    for row in rows:
        yield f"| {' | '.join('' if cell is None else str(cell).replace('|', chr(92) + '|') for cell in row)} |"


def _objects(connection: Connection, _: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT namespace.nspname, class.relname, CASE class.relkind WHEN 'v' THEN 'view' ELSE 'table' END,
            obj_description(class.oid, 'pg_class')
        FROM pg_class AS class
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE class.relowner = 'zoho_outbox_owner'::regrole AND class.relkind IN ('r', 'v')
        ORDER BY namespace.nspname, class.relkind, class.relname
        """
    ).fetchall()
    yield from _table(("schema", "name", "kind", "what"), ((s, f"`{n}`", k, d) for s, n, k, d in rows))


def _columns(connection: Connection, table: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT attribute.attname, format_type(attribute.atttypid, attribute.atttypmod),
            CASE WHEN attribute.attnotnull THEN 'not null' END, col_description(attribute.attrelid, attribute.attnum)
        FROM pg_attribute AS attribute
        WHERE attribute.attrelid = %s::regclass AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ORDER BY attribute.attnum
        """,
        [table],
    ).fetchall()
    short = {
        "timestamp with time zone": "timestamptz",
        **{f"zoho_outbox_private.entry_{word}": "text" for word in ("status", "entity_type", "change", "origin")},
        "zoho_outbox_private.entry_outcome": "text",
    }
    yield from _table(("column", "type", "", "what"), ((f"`{n}`", short.get(t, t), o, d) for n, t, o, d in rows))


def _added(connection: Connection, _: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT change.table_name, string_agg('`' || change.name || '`', ', ' ORDER BY change.name)
        FROM zoho_outbox_private.host_change AS change
        WHERE change.kind = 'column_added'
        GROUP BY change.table_name
        ORDER BY change.table_name
        """
    ).fetchall()
    yield from _table(("table", "columns"), rows)


def _indexes(connection: Connection, _: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT regexp_replace(index.indrelid::regclass::text, '^public\\.', ''), class.relname,
            regexp_replace(pg_get_indexdef(index.indexrelid), '^CREATE (UNIQUE )?INDEX \\S+ ON \\S+ USING ', '\\1')
        FROM pg_index AS index
        JOIN pg_class AS class ON class.oid = index.indexrelid
        JOIN pg_class AS of ON of.oid = index.indrelid
        WHERE of.relowner = 'zoho_outbox_owner'::regrole AND of.relkind = 'r'
            OR class.relname LIKE 'zoho\\_outbox\\_%'
        ORDER BY 1, 2
        """
    ).fetchall()
    yield from _table(("table", "index", "definition"), ((t, f"`{n}`", f"`{d}`") for t, n, d in rows))


def _storage(connection: Connection, _: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT regexp_replace(class.oid::regclass::text, '^public\\.', ''), array_to_string(class.reloptions, ', ')
        FROM pg_class AS class
        WHERE class.relowner = 'zoho_outbox_owner'::regrole AND class.relkind = 'r' AND class.reloptions IS NOT NULL
        ORDER BY 1
        """
    ).fetchall()
    yield from _table(("table", "settings"), ((name, f"`{options}`") for name, options in rows))


def _triggers(connection: Connection, _: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT present.tgrelid::regclass::text, present.tgname,
            regexp_replace(pg_get_triggerdef(present.oid), '^.*? (BEFORE|AFTER) (.*?) ON .*$', '\\1 \\2'),
            CASE WHEN present.tgtype & 1 = 1 THEN 'row' ELSE 'statement' END
        FROM pg_trigger AS present
        JOIN pg_proc AS proc ON proc.oid = present.tgfoid
        WHERE proc.pronamespace = 'zoho_outbox_private'::regnamespace AND NOT present.tgisinternal
        ORDER BY 1, 2
        """
    ).fetchall()
    yield from _table(("table", "trigger", "when", "for each"), ((t, f"`{n}`", _wrapped(w), e) for t, n, w, e in rows))


def _wrapped(when: str) -> str:
    event, found, names = when.partition(" OF ")
    return f"{event} of its mapped columns" if found and names.count(",") > 3 else when


def _grants(connection: Connection, _: str) -> Iterator[str]:
    rows: dict[str, dict[str, list[str]]] = {}
    for name, grantee, privilege, columns, missing in connection.execute(_GRANTS).fetchall():
        what = privilege
        if columns is not None:
            what = f"{privilege} but for {', '.join(missing)}" if 0 < len(missing) < 3 else f"{privilege} ({columns})"
        rows.setdefault(name, {}).setdefault(grantee, []).append(what)
    yield from _table(
        ("object", "daemon", "operator"),
        (
            (f"`{name}`", *("; ".join(by_role.get(role, ["-"])) for role in ROLES[:2]))
            for name, by_role in sorted(rows.items())
        ),
    )


_GRANTS = """
    WITH ours AS (
        SELECT class.oid, regexp_replace(class.oid::regclass::text, '^public\\.', '') AS name, class.relacl
        FROM pg_class AS class
        WHERE class.relkind IN ('r', 'v')
            AND class.relnamespace IN ('public'::regnamespace, 'zoho_outbox_private'::regnamespace)
    ),
    granted AS (
        SELECT ours.name, acl.grantee, acl.privilege_type, NULL::text AS columns, NULL::text[] AS missing
        FROM ours
        CROSS JOIN LATERAL aclexplode(ours.relacl) AS acl
        UNION ALL
        SELECT ours.name, acl.grantee, acl.privilege_type,
            string_agg(attribute.attname, ', ' ORDER BY attribute.attname),
            (
                SELECT array_agg(other.attname::text ORDER BY other.attname)
                FROM pg_attribute AS other
                WHERE other.attrelid = ours.oid AND other.attnum > 0 AND NOT other.attisdropped
                    AND NOT other.attname = ANY (array_agg(attribute.attname))
            )
        FROM ours
        JOIN pg_attribute AS attribute ON attribute.attrelid = ours.oid
        CROSS JOIN LATERAL aclexplode(attribute.attacl) AS acl
        GROUP BY ours.oid, ours.name, acl.grantee, acl.privilege_type
        UNION ALL
        SELECT
            regexp_replace(proc.oid::regprocedure::text, '^public\\.', ''), acl.grantee, acl.privilege_type, NULL, NULL
        FROM pg_proc AS proc
        CROSS JOIN LATERAL aclexplode(proc.proacl) AS acl
        WHERE proc.proowner = 'zoho_outbox_owner'::regrole
    )
    SELECT granted.name, role.rolname, granted.privilege_type, granted.columns, granted.missing
    FROM granted
    JOIN pg_roles AS role ON role.oid = granted.grantee
    WHERE role.rolname IN ('zoho_outbox_daemon', 'zoho_outbox_operator')
    ORDER BY granted.name, role.rolname, granted.privilege_type
"""


def _policies(connection: Connection, _: str) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT policy.tablename, policy.policyname, policy.cmd, array_to_string(policy.roles, ', ')
        FROM pg_policies AS policy
        WHERE policy.policyname LIKE 'zoho\\_outbox\\_%'
        ORDER BY 1, 2
        """
    ).fetchall()
    yield from _table(("table", "policy", "for", "to"), ((t, f"`{n}`", c.lower(), r) for t, n, c, r in rows))


def _private(connection: Connection, _: str) -> Iterator[str]:
    tables = [
        name
        for (name,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'zoho_outbox_private'::regnamespace ORDER BY relname"
        ).fetchall()
    ]
    for name in tables:
        row = connection.execute(
            "SELECT obj_description(%s::regclass, 'pg_class')", [f"zoho_outbox_private.{name}"]
        ).fetchone()
        yield f"### `{name}`"
        yield ""
        yield f"{row[0] if row else ''}."
        yield ""
        yield from _columns(connection, f"zoho_outbox_private.{name}")
        yield ""


_PARTS: dict[str, Callable[[Connection, str], Iterator[str]]] = {
    "objects": _objects,
    "columns": _columns,
    "added": _added,
    "indexes": _indexes,
    "storage": _storage,
    "triggers": _triggers,
    "grants": _grants,
    "policies": _policies,
    "private": _private,
}


def main() -> None:
    """Writes the page anew, from a database of its own."""
    with embedded_server() as server:
        prepare_server(server)
        databases = Databases(server, "for_dbas")
        with (
            databases.fresh(migrated_template(HostShape())) as database,
            psycopg.connect(database.superuser_dsn) as connection,
        ):
            PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), connection), encoding="utf-8")


if __name__ == "__main__":
    main()
