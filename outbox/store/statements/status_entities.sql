-- How many entities stand where, from the state rows and the entries that nobody has admitted yet. Each counts once:
-- being sent outranks a new entry, and that outranks whatever was before.
-- Reads each state row once (1,000,000 of them: a fraction of a second), so a screen asks for it sparingly.
WITH fresh AS MATERIALIZED (
    SELECT entry.entity_type, entry.entity_id
    FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted
    GROUP BY entry.entity_type, entry.entity_id
),
standing AS (
    SELECT
        COALESCE(state.entity_type, fresh.entity_type) AS entity_type,
        CASE
            WHEN state.phase = 'leased' THEN 'processing'
            WHEN fresh.entity_id IS NOT NULL OR state.phase = 'ready' THEN 'pending'
            WHEN state.phase = 'scheduled' THEN 'retrying'
            WHEN state.phase IN ('waiting', 'dead') THEN state.phase
            WHEN state.shown_status = 'skipped' THEN 'skipped'
            ELSE 'idle'
        END AS standing
    FROM zoho_outbox_private.entity_state AS state
    FULL JOIN fresh ON fresh.entity_id = state.entity_id AND fresh.entity_type = state.entity_type
)
SELECT standing.entity_type, standing.standing, count(*) AS entities
FROM standing
GROUP BY standing.entity_type, standing.standing
