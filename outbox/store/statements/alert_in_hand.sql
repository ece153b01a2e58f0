-- Which of these rows are being tried again now: whether what was wrong with them is over is not known before they come
-- to rest.
WITH wanted AS MATERIALIZED (
    SELECT asked.entity_type, asked.entity_id
    FROM unnest(%(entity_types)s::text[], %(entity_ids)s::uuid[]) AS asked (entity_type, entity_id)
),
-- What is not admitted yet is read once, not once for each row that is asked for: in a long pause it is a long way
-- (1,000 rows beside 240,000 entries: 21 s; so: 0.04 s).
arrived AS MATERIALIZED (
    SELECT entry.entity_type::text AS entity_type, entry.entity_id
    FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted AND entry.entity_id IN (SELECT wanted.entity_id FROM wanted)
)
SELECT wanted.entity_type, wanted.entity_id
FROM wanted
WHERE EXISTS (
    SELECT FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = wanted.entity_id
        AND state.entity_type = wanted.entity_type
        AND state.phase IN ('ready', 'scheduled', 'leased')
)
OR (wanted.entity_type, wanted.entity_id) IN (SELECT arrived.entity_type, arrived.entity_id FROM arrived)
