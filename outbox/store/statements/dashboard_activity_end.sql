-- Where the window of dashboard_activity.sql ends; no row: it reached the oldest attempt.
SELECT log.created_at, log.id
FROM public.zoho_sync_logs AS log
WHERE log.created_at >= %(since)s::timestamptz
    AND log.created_at <= %(before_at)s::timestamptz
    AND (log.created_at, log.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
ORDER BY log.created_at DESC, log.id DESC
OFFSET %(window)s - 1
LIMIT 1
