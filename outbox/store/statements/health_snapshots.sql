-- Who keeps vacuum from removing dead rows of this database: sessions with a snapshot or an unfinished transaction, and
-- prepared transactions, the oldest first.
-- Since when a session does is shown to itself and to pg_read_all_stats alone (since NULL). Left out of those is what
-- can be proved to be younger than `seconds` all the same: its oldest transaction id is newer than that of a row which
-- was written within them (a heartbeat, an attempt's log).
-- Vacuum itself is no holder. Replication slots hold too, and no clock says since when: doctor's matter.
WITH known AS MATERIALIZED (
    SELECT max(marker.age) AS age
    FROM (
        (
            SELECT age(log.xmin) AS age
            FROM public.zoho_sync_logs AS log
            WHERE log.created_at > now() - make_interval(secs => %(seconds)s)
            ORDER BY log.created_at
            LIMIT 1
        )
        UNION ALL
        (
            SELECT age(session.xmin)
            FROM zoho_outbox_private.session AS session
            WHERE session.seen_at > now() - make_interval(secs => %(seconds)s)
        )
    ) AS marker
)
(
    SELECT
        'session'                                               AS kind,
        activity.pid,
        activity.usename::text                                  AS user_name,
        activity.application_name,
        NULL::text                                              AS gid,
        COALESCE(activity.backend_xmin, activity.backend_xid)::text AS xmin,
        activity.xact_start                                     AS since,
        EXTRACT(EPOCH FROM clock_timestamp() - activity.xact_start)::double precision AS seconds
    FROM pg_stat_activity AS activity
    CROSS JOIN known
    WHERE activity.datname = current_database()
        AND activity.pid <> pg_backend_pid()
        AND (activity.backend_xmin IS NOT NULL OR activity.backend_xid IS NOT NULL)
        AND activity.backend_type IS DISTINCT FROM 'autovacuum worker'
        AND COALESCE(activity.query, '') !~* '^\s*vacuum'
        AND (
            activity.xact_start IS NOT NULL
            OR COALESCE(greatest(age(activity.backend_xmin), age(activity.backend_xid)) >= known.age, true)
        )
    ORDER BY activity.xact_start NULLS LAST
    LIMIT 100
)
UNION ALL
(
    SELECT
        'prepared',
        NULL,
        prepared.owner::text,
        NULL,
        prepared.gid,
        prepared.transaction::text,
        prepared.prepared,
        EXTRACT(EPOCH FROM clock_timestamp() - prepared.prepared)::double precision
    FROM pg_prepared_xacts AS prepared
    WHERE prepared.database = current_database()
    ORDER BY prepared.prepared
    LIMIT 10
)
