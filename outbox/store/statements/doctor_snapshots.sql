-- Who holds the oldest snapshots: no vacuum removes what they may still see, and every claim gets slower. For doctor.
-- pg_stat_activity shows other roles' sessions to members of pg_read_all_stats alone.
WITH holder AS (
    SELECT
        format(
            'session %%s of %%s (%%s)',
            activity.pid,
            COALESCE(activity.usename, activity.backend_type),
            COALESCE(NULLIF(activity.application_name, ''), 'no application name')
        )                                                                       AS named,
        format('SELECT pg_terminate_backend(%%s);', activity.pid)               AS mend,
        EXTRACT(EPOCH FROM clock_timestamp() - activity.xact_start)::double precision AS seconds
    FROM pg_stat_activity AS activity
    WHERE activity.backend_xmin IS NOT NULL
        AND activity.xact_start IS NOT NULL
        AND activity.pid <> pg_backend_pid()
        -- Sessions of other databases hold back nothing here; a walsender's is that of its slot or standby.
        AND activity.datname = current_database()
        AND activity.backend_type = 'client backend'
    UNION ALL
    SELECT
        format('prepared transaction %%L of %%s', prepared.gid, prepared.owner),
        format('ROLLBACK PREPARED %%L;', prepared.gid),
        EXTRACT(EPOCH FROM clock_timestamp() - prepared.prepared)::double precision
    FROM pg_prepared_xacts AS prepared
    WHERE prepared.database = current_database()
    UNION ALL
    SELECT
        format('replication slot %%I, which nobody reads', slot.slot_name),
        format('SELECT pg_drop_replication_slot(%%L);', slot.slot_name),
        NULL
    FROM pg_replication_slots AS slot
    WHERE NOT slot.active AND (slot.xmin IS NOT NULL OR slot.catalog_xmin IS NOT NULL)
)
SELECT
    holder.named,
    holder.mend,
    holder.seconds,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM (SELECT) AS always
LEFT JOIN holder ON holder.seconds IS NULL OR holder.seconds > %(older_than_seconds)s
ORDER BY holder.seconds DESC NULLS LAST
LIMIT 5
