-- The last 24 hours by hour and type: how attempts ended, how long they took, how many requests they made. By the index
-- on created_at; what a day holds is bounded by the quota, and by a bulk load at worst, so a page asks for it sparingly.
SELECT
    date_bin('1 hour', log.created_at, %(end)s::timestamptz)                AS begins,
    log.entity_type,
    count(*) FILTER (WHERE log.status = 'success')                          AS succeeded,
    count(*) FILTER (WHERE log.status = 'failed')                           AS failed,
    count(*) FILTER (WHERE log.status = 'retrying')                         AS retried,
    COALESCE(sum(log.api_calls), 0)::bigint                                 AS requests,
    COALESCE(sum(log.duration_ms) FILTER (WHERE log.status = 'success'), 0)::bigint AS milliseconds
FROM public.zoho_sync_logs AS log
WHERE log.created_at >= %(end)s::timestamptz - interval '24 hours'
    AND log.created_at < %(end)s::timestamptz
    AND log.entity_type = ANY (%(types)s::text[])
GROUP BY 1, 2
