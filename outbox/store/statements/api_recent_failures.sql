-- The attempts of the last 24 hours that failed for good, newest first: by the index on created_at, looked for among the
-- newest `most` attempts. Only rows of ours, as api_outcomes.sql.
SELECT
    recent.id,
    recent.created_at,
    recent.entity_type,
    recent.entity_id,
    recent.status,
    recent.attempt_number,
    recent.duration_ms,
    recent.api_calls,
    recent.failure_class,
    recent.zoho_code,
    recent.zoho_entity_id,
    recent.outbox_id,
    recent.error_message
FROM (
    SELECT log.*
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at > now() - interval '24 hours'
    ORDER BY log.created_at DESC
    LIMIT %(most)s
) AS recent
WHERE recent.status = 'failed' AND (recent.outbox_id IS NOT NULL OR recent.failure_class IS NOT NULL)
ORDER BY recent.created_at DESC
LIMIT %(limit)s
