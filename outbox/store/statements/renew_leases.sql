-- Heartbeat: renews what this process still holds. A token that does not come back was taken over.
-- Locked in the order of settlement and of intents, which are under way at the same time.
WITH ours AS MATERIALIZED (
    SELECT state.entity_type, state.entity_id
    FROM unnest(%(entity_ids)s::uuid[], %(entity_types)s::text[], %(tokens)s::uuid[])
        AS held (entity_id, entity_type, token)
    JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = held.entity_id
        AND state.entity_type = held.entity_type
        AND state.lease_token = held.token
    ORDER BY state.entity_id
    FOR UPDATE OF state
)
UPDATE zoho_outbox_private.entity_state AS state
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM ours
WHERE state.entity_id = ours.entity_id AND state.entity_type = ours.entity_type
RETURNING state.lease_token
