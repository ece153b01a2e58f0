-- Row level security as it meets the asking role: without a policy it hides rows and raises no error. For doctor.
-- One row for each policy that applies; a table where none does has one row without a policy.
SELECT
    class.relname::text                                     AS table_name,
    row_security_active(class.oid)                          AS active,
    policy.polname::text                                    AS policy,
    policy.polcmd::text                                     AS command,
    policy.polpermissive                                    AS permissive,
    pg_get_expr(policy.polqual, policy.polrelid)            AS sees,
    pg_get_expr(policy.polwithcheck, policy.polrelid)       AS may_write
FROM pg_class AS class
LEFT JOIN pg_policy AS policy
    ON policy.polrelid = class.oid
    AND EXISTS (
        SELECT
        FROM unnest(policy.polroles) AS role (oid)
        WHERE role.oid = 0 OR pg_has_role(role.oid, 'USAGE')
    )
WHERE class.relnamespace = 'public'::regnamespace AND class.relname = ANY (%(tables)s)
ORDER BY class.relname, policy.polname
