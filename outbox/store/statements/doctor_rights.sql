-- Which of the rights that the daemon needs the asking role has not got. For doctor.
-- The wanted ones on the host's tables come as four arrays of one length, because they depend on the columns that are
-- present; an empty column means the whole table. Everything in zoho_outbox_private is the daemon's own.
-- Looked up by name: to_regclass raises where the schema may not be used.
WITH wanted AS (
    SELECT named.schema_name, named.table_name, named.column_name, named.privilege
    FROM unnest(
        %(schemas)s::text[], %(tables)s::text[], %(columns)s::text[], %(privileges)s::text[]
    ) AS named (schema_name, table_name, column_name, privilege)
    UNION ALL
    SELECT 'zoho_outbox_private', class.relname::text, '', privilege.name
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege (name)
    WHERE namespace.nspname = 'zoho_outbox_private'
        AND class.relkind = 'r'
        -- migrate alone writes what it did, and operators' functions whom they forgot.
        AND (class.relname NOT IN ('migration', 'host_change', 'forgotten') OR privilege.name = 'SELECT')
)
SELECT namespace.nspname::text AS schema_name, '' AS table_name, '' AS column_name, 'USAGE' AS privilege
FROM pg_namespace AS namespace
WHERE namespace.nspname IN ('public', 'zoho_outbox_private')
    AND NOT has_schema_privilege(namespace.oid, 'USAGE')
UNION ALL
SELECT wanted.schema_name, wanted.table_name, wanted.column_name, wanted.privilege
FROM wanted
JOIN pg_namespace AS namespace ON namespace.nspname = wanted.schema_name
JOIN pg_class AS class ON class.relnamespace = namespace.oid AND class.relname = wanted.table_name
LEFT JOIN pg_attribute AS attribute
    ON attribute.attrelid = class.oid AND attribute.attname = wanted.column_name AND NOT attribute.attisdropped
WHERE CASE
    WHEN wanted.column_name = '' THEN NOT has_table_privilege(class.oid, wanted.privilege)
    WHEN attribute.attnum IS NULL THEN false
    ELSE NOT has_column_privilege(class.oid, attribute.attnum, wanted.privilege)
END
ORDER BY schema_name, table_name, privilege, column_name
