-- The three hours of the day (in `time_zone`) in which most attempts of the last `days` days ended, of the newest
-- `most`. now() and not clock_timestamp(), which is volatile and so no condition of an index: all of the log was read
-- for a week of it (20,000 pages, of a million rows).
WITH recent AS MATERIALIZED (
    SELECT log.created_at
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at > now() - make_interval(days => %(days)s)
        AND (log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL)
    ORDER BY log.created_at DESC
    LIMIT %(most)s
)
SELECT
    EXTRACT(HOUR FROM recent.created_at AT TIME ZONE %(time_zone)s)::integer    AS hour,
    count(*)                                                                    AS attempts
FROM recent
GROUP BY hour
ORDER BY attempts DESC, hour
LIMIT 3
