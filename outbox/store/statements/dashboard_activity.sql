-- Attempts, newest first, from a place on: the pages of "recent activity". By the index on created_at, and never further
-- than `window` rows, whatever the filters leave: of a million successes the one failure would else be looked for in all.
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
    recent.zoho_id,
    recent.error
FROM (
    SELECT
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
        log.zoho_entity_id              AS zoho_id,
        left(log.error_message, 400)    AS error
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at >= %(since)s::timestamptz
        -- The index stands by created_at alone: rows of one moment are told apart after that.
        AND log.created_at <= %(before_at)s::timestamptz
        AND (log.created_at, log.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
    ORDER BY log.created_at DESC, log.id DESC
    LIMIT %(window)s
) AS recent
WHERE recent.entity_type = ANY (%(types)s::text[])
    AND recent.status = ANY (%(statuses)s::text[])
ORDER BY recent.created_at DESC, recent.id DESC
LIMIT %(limit)s
