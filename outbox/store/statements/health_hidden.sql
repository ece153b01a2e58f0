-- Tables whose rows this role would not see, without an error: row level security is on for it, and no policy of ours
-- lets it read. A count of such a table says 0, which must not be taken for "nothing wrong".
SELECT class.relname::text AS table_name
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname = 'public'
    AND class.relname = ANY (%(tables)s)
    AND row_security_active(class.oid)
    AND NOT EXISTS (
        SELECT FROM pg_policy AS policy
        WHERE policy.polrelid = class.oid
            AND starts_with(policy.polname::text, 'zoho_outbox_')
            AND policy.polcmd IN ('*', 'r')
            AND EXISTS (
                SELECT FROM unnest(policy.polroles) AS granted (role)
                WHERE granted.role = 0 OR pg_has_role(granted.role, 'USAGE')
            )
    )
ORDER BY class.relname
