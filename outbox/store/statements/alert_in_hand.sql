-- Which of these rows are being tried again now: whether what was wrong with them is over is not known before they come
-- to rest.
SELECT wanted.entity_type, wanted.entity_id
FROM unnest(%(entity_types)s::text[], %(entity_ids)s::uuid[]) AS wanted (entity_type, entity_id)
WHERE EXISTS (
    SELECT FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = wanted.entity_id
        AND state.entity_type = wanted.entity_type
        AND state.phase IN ('ready', 'scheduled', 'leased')
)
OR EXISTS (
    SELECT FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted AND entry.entity_id = wanted.entity_id AND entry.entity_type = wanted.entity_type
)
