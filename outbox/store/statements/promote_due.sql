-- Promotion: entities whose pause between attempts is over become ready, and stand in the claim's order from now on.
WITH due AS (
    SELECT state.entity_type, state.entity_id
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'scheduled' AND state.due_at <= now()
    ORDER BY state.due_at
    LIMIT {batch}
    FOR UPDATE OF state SKIP LOCKED
)
UPDATE zoho_outbox_private.entity_state AS state
SET phase = 'ready'
FROM due
WHERE state.entity_id = due.entity_id AND state.entity_type = due.entity_type
