-- The server and who asks. For doctor.
SELECT
    current_setting('server_version')                   AS version,
    current_setting('server_version_num')::integer      AS version_number,
    current_database()::text                            AS database_name,
    session_user::text                                  AS role,
    asking.rolsuper                                     AS is_superuser,
    (
        SELECT bool_or(pg_has_role(daemon.oid, 'USAGE'))
        FROM pg_roles AS daemon
        WHERE daemon.rolname = 'zoho_outbox_daemon'
    )                                                   AS is_daemon,
    (
        SELECT bool_or(pg_has_role(operator.oid, 'USAGE'))
        FROM pg_roles AS operator
        WHERE operator.rolname = 'zoho_outbox_operator'
    )                                                   AS is_operator
FROM pg_roles AS asking
WHERE asking.rolname = current_user
