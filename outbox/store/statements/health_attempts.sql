-- How attempts ended within seven days and within one: by the index on created_at, the newest `most` of them. Only rows
-- of ours: a zoho_sync_logs that was there before holds those of whoever wrote it then.
-- now() and not clock_timestamp(), which is volatile and so no condition of an index: all of the log was read for a
-- week of it (20,000 pages, of a million rows).
WITH recent AS MATERIALIZED (
    SELECT
        log.created_at,
        log.status,
        log.entity_type,
        log.entity_id,
        log.duration_ms,
        log.api_calls
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at > now() - interval '7 days'
        AND (log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL)
    ORDER BY log.created_at DESC
    LIMIT %(most)s
)
SELECT
    count(*)                                                                                AS attempts,
    min(recent.created_at)                                                                  AS since,
    count(*) FILTER (WHERE recent.status = 'success')                                       AS week_successes,
    count(*) FILTER (WHERE recent.status = 'failed')                                        AS week_failures,
    count(*) FILTER (WHERE recent.status = 'failed' AND recent.created_at > day.begun)      AS day_failures,
    (avg(recent.duration_ms) FILTER (WHERE recent.status = 'success' AND recent.api_calls > 0) / 1000)::double precision
                                                                                            AS mean_seconds,
    newest.entity_type,
    newest.entity_id
FROM (SELECT now() - interval '24 hours' AS begun) AS day
LEFT JOIN recent ON true
LEFT JOIN (
    SELECT failed.entity_type, failed.entity_id
    FROM recent AS failed
    WHERE failed.status = 'failed'
    ORDER BY failed.created_at DESC
    LIMIT 1
) AS newest ON true
GROUP BY day.begun, newest.entity_type, newest.entity_id
