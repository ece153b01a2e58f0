-- Deletes a batch of log rows past the retention, oldest first.
WITH old AS (
    SELECT log.id
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at < now() - make_interval(days => %(days)s)
        AND (log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL)
    ORDER BY log.created_at
    LIMIT %(batch)s
)
DELETE FROM public.zoho_sync_logs AS log
WHERE log.id = ANY (ARRAY(SELECT old.id FROM old))
