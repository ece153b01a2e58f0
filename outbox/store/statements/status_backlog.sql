-- Unfinished entries by type and status, with the oldest change of each.
SELECT
    overview.entity_type,
    overview.status,
    overview.entries,
    overview.oldest,
    EXTRACT(EPOCH FROM overview.oldest_age)::double precision AS oldest_seconds
FROM public.zoho_outbox_overview AS overview
ORDER BY overview.entity_type, overview.status
