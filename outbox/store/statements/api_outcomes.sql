-- How attempts ended within seven days and within one, by type: by the index on created_at, the newest `most` of them.
-- Only rows of ours: a zoho_sync_logs that was there before holds those of whoever wrote it then.
WITH recent AS MATERIALIZED (
    SELECT log.created_at, log.entity_type, log.status
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at > now() - interval '7 days'
        AND (log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL)
    ORDER BY log.created_at DESC
    LIMIT %(most)s
)
SELECT
    recent.entity_type,
    count(*) FILTER (WHERE recent.status = 'success')   AS week_successes,
    count(*) FILTER (WHERE recent.status = 'failed')    AS week_failures,
    count(*) FILTER (
        WHERE recent.status = 'failed' AND recent.created_at > now() - interval '24 hours'
    )                                                   AS day_failures
FROM recent
GROUP BY recent.entity_type
