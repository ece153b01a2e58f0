-- An entity's attempts, newest first.
SELECT
    log.created_at,
    log.status,
    log.attempt_number,
    log.duration_ms,
    log.api_calls,
    log.zoho_code,
    log.failure_class,
    log.zoho_entity_id AS zoho_id,
    log.outbox_id,
    log.error_message
FROM public.zoho_sync_logs AS log
WHERE log.entity_id = %(entity_id)s AND log.entity_type = %(entity_type)s
ORDER BY log.created_at DESC
LIMIT %(limit)s
