-- Which database a connection leads to. For doctor: DATABASE_LISTEN_URL must lead to the same one as DATABASE_URL.
SELECT
    current_database()::text                                                     AS database_name,
    (SELECT control.system_identifier::text FROM pg_control_system() AS control) AS system_identifier
