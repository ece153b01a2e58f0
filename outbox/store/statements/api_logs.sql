-- Attempts, newest first, a page of those that a filter leaves; and how many it leaves. By the index on created_at, and
-- never further than `window` rows: of a million successes the one failure would else be looked for in all. Always one
-- row at least; without an id where the page is empty.
WITH recent AS MATERIALIZED (
    SELECT log.id, log.created_at, log.entity_type, log.status
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at >= %(since)s::timestamptz AND log.created_at < %(until)s::timestamptz
    ORDER BY log.created_at DESC, log.id DESC
    LIMIT %(window)s
),
matching AS MATERIALIZED (
    SELECT recent.id, recent.created_at
    FROM recent
    WHERE (%(entity_type)s::text IS NULL OR recent.entity_type = %(entity_type)s::text)
        AND (%(status)s::text IS NULL OR recent.status = %(status)s::text)
),
page AS (
    SELECT matching.id, matching.created_at
    FROM matching
    ORDER BY matching.created_at DESC, matching.id DESC
    OFFSET %(offset)s
    LIMIT %(limit)s
)
SELECT
    (SELECT count(*) FROM matching)             AS total,
    (SELECT count(*) FROM recent)               AS looked_at,
    (SELECT min(recent.created_at) FROM recent) AS oldest,
    log.id,
    log.created_at,
    log.entity_type,
    log.entity_id,
    log.status,
    log.attempt_number,
    log.duration_ms,
    log.api_calls,
    log.failure_class,
    log.zoho_code,
    log.zoho_entity_id,
    log.outbox_id,
    log.error_message
FROM (SELECT) AS always
LEFT JOIN page ON true
LEFT JOIN public.zoho_sync_logs AS log ON log.id = page.id
ORDER BY page.created_at DESC, page.id DESC
