-- That the database answers: when it is there, as whom one looks, and how full the queue of notifications is.
SELECT
    clock_timestamp()               AS now,
    current_database()::text        AS database_name,
    session_user::text              AS role,
    pg_notification_queue_usage()   AS notification_queue
