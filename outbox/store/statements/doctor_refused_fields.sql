-- Of each type: Zoho's newest refusal of a custom field (code 120129) that no success came after. For doctor.
SELECT DISTINCT ON (log.entity_type)
    log.entity_type,
    log.created_at
FROM public.zoho_sync_logs AS log
WHERE log.zoho_code = 120129
    AND NOT EXISTS (
        SELECT
        FROM public.zoho_sync_logs AS later
        WHERE later.entity_type = log.entity_type
            AND later.status = 'success'
            AND later.created_at > log.created_at
    )
ORDER BY log.entity_type, log.created_at DESC
