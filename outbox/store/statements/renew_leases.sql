-- Heartbeat: renews what this process still holds. A token that does not come back was taken over.
UPDATE zoho_outbox_private.entity_state AS state
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM unnest(%(entity_ids)s::uuid[], %(entity_types)s::text[], %(tokens)s::uuid[])
    AS held (entity_id, entity_type, token)
WHERE state.entity_id = held.entity_id
    AND state.entity_type = held.entity_type
    AND state.lease_token = held.token
RETURNING state.lease_token
