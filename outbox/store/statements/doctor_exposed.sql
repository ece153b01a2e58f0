-- Rights on our objects that somebody else than our roles has: Supabase grants everything new in public to its API's
-- roles, and somebody may have granted by hand what migrate had taken away. For doctor (decisions.md, Rows and rights).
-- A zoho_sync_logs that was there before belongs to its owner, and is none of these.
WITH object AS (
    SELECT
        CASE class.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END        AS kind,
        format('%I.%I', namespace.nspname, class.relname)                 AS name,
        acl.grantee,
        acl.privilege_type
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_roles AS owner ON owner.oid = class.relowner
    CROSS JOIN LATERAL aclexplode(class.relacl) AS acl
    WHERE owner.rolname = 'zoho_outbox_owner' AND class.relkind IN ('r', 'v', 'S') AND acl.grantee <> class.relowner
    UNION ALL
    SELECT
        'TABLE',
        format('%I.%I', namespace.nspname, class.relname),
        acl.grantee,
        acl.privilege_type
    FROM pg_attribute AS attribute
    JOIN pg_class AS class ON class.oid = attribute.attrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_roles AS owner ON owner.oid = class.relowner
    CROSS JOIN LATERAL aclexplode(attribute.attacl) AS acl
    WHERE owner.rolname = 'zoho_outbox_owner' AND acl.grantee <> class.relowner
    UNION ALL
    SELECT
        'FUNCTION',
        format('%I.%I(%s)', namespace.nspname, proc.proname, pg_get_function_identity_arguments(proc.oid)),
        acl.grantee,
        acl.privilege_type
    FROM pg_proc AS proc
    JOIN pg_namespace AS namespace ON namespace.oid = proc.pronamespace
    JOIN pg_roles AS owner ON owner.oid = proc.proowner
    CROSS JOIN LATERAL aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS acl
    WHERE owner.rolname = 'zoho_outbox_owner' AND acl.grantee <> proc.proowner
    UNION ALL
    SELECT 'SCHEMA', quote_ident(namespace.nspname), acl.grantee, acl.privilege_type
    FROM pg_namespace AS namespace
    CROSS JOIN LATERAL aclexplode(namespace.nspacl) AS acl
    WHERE namespace.nspname = 'zoho_outbox_private' AND acl.grantee <> namespace.nspowner
)
SELECT
    object.kind,
    object.name,
    CASE object.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(role.rolname) END AS grantee,
    string_agg(DISTINCT object.privilege_type, ', ' ORDER BY object.privilege_type) AS privileges
FROM object
LEFT JOIN pg_roles AS role ON role.oid = object.grantee
WHERE role.rolname IS NULL OR role.rolname NOT IN ('zoho_outbox_owner', 'zoho_outbox_daemon', 'zoho_outbox_operator')
GROUP BY object.kind, object.name, object.grantee, role.rolname
ORDER BY object.kind DESC, object.name, grantee
