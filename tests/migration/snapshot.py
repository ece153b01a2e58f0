"""Everything that the catalogue says about a database, so that two moments can be compared."""

from typing import Any

import psycopg

from tests.host.databases import Database

Snapshot = dict[str, list[Any]]

_OURS = "namespace.nspname !~ '^pg_' AND namespace.nspname <> 'information_schema'"


def _acl(column: str, kind: str, owner: str) -> str:
    return (
        f"(SELECT COALESCE(array_agg(pg_get_userbyid(acl.grantee) || ':' || acl.privilege_type || ':' "
        f"|| acl.is_grantable ORDER BY 1), '{{}}') "
        f"FROM aclexplode(COALESCE({column}, acldefault('{kind}', {owner}))) AS acl)"
    )


_QUERIES = {
    "schemas": f"SELECT nspname, {_acl('nspacl', 'n', 'nspowner')} FROM pg_namespace AS namespace WHERE {_OURS}",
    "relations": f"""
        SELECT nspname, relname, relkind, pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, reloptions,
            {_acl("relacl", "r", "relowner")}, obj_description(class.oid, 'pg_class')
        FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
        WHERE {_OURS} AND relkind <> 'i'""",
    "columns": f"""
        SELECT nspname, relname, attname, format_type(atttypid, atttypmod), attnotnull,
            pg_get_expr(adbin, adrelid), {_acl("attacl", "c", "relowner")},
            rank() OVER (PARTITION BY class.oid ORDER BY attnum), col_description(class.oid, attnum)
        FROM pg_attribute AS attribute
        JOIN pg_class AS class ON class.oid = attrelid
        JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE {_OURS} AND relkind <> 'i' AND attnum > 0 AND NOT attisdropped""",
    "constraints": f"""
        SELECT nspname, conrelid::regclass::text, conname, replace(pg_get_constraintdef(con.oid), ' NOT VALID', '')
        FROM pg_constraint AS con JOIN pg_namespace AS namespace ON namespace.oid = connamespace
        WHERE {_OURS}""",
    "indexes": f"""
        SELECT pg_get_indexdef(indexrelid), indisvalid
        FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
        JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
        WHERE {_OURS}""",
    "triggers": "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "policies": """
        SELECT schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies""",
    "functions": f"""
        SELECT nspname, proname, pg_get_functiondef(proc.oid), {_acl("proacl", "f", "proowner")},
            obj_description(proc.oid, 'pg_proc')
        FROM pg_proc AS proc JOIN pg_namespace AS namespace ON namespace.oid = pronamespace
        WHERE {_OURS}""",
    "default privileges": """
        SELECT pg_get_userbyid(defaclrole), defaclnamespace::regnamespace::text, defaclobjtype, defaclacl::text
        FROM pg_default_acl""",
    "types": f"""
        SELECT nspname, typname FROM pg_type JOIN pg_namespace AS namespace ON namespace.oid = typnamespace
        WHERE {_OURS}""",
}


def snapshot(database: Database) -> Snapshot:
    """What stands in the database, by kind. Whether a CHECK is validated is left out."""
    with psycopg.connect(database.superuser_dsn) as connection:
        return {
            kind: sorted(connection.execute(query.encode()).fetchall(), key=repr) for kind, query in _QUERIES.items()
        }


def rows(database: Database, table: str) -> list[Any]:
    """A table's rows, as text."""
    with psycopg.connect(database.superuser_dsn) as connection:
        return sorted(text for (text,) in connection.execute(f"SELECT to_jsonb(t)::text FROM {table} AS t".encode()))
