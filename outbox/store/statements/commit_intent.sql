-- The intents to create, committed before the requests leave. From here on the fate of a create is unknown until
-- settlement says otherwise: whoever takes over looks before it creates. A lease that is no longer ours is not returned.
-- Locked in the order of settlement and heartbeat, which are under way at the same time.
WITH held AS MATERIALIZED (
    SELECT state.entity_type, state.entity_id, intent.look_key
    FROM unnest(%(entity_ids)s::uuid[], %(entity_types)s::text[], %(tokens)s::uuid[], %(look_keys)s::text[])
        AS intent (entity_id, entity_type, token, look_key)
    JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = intent.entity_id
        AND state.entity_type = intent.entity_type
        AND state.lease_token = intent.token
        AND state.lease_until > clock_timestamp()
    ORDER BY state.entity_id
    FOR UPDATE OF state
)
UPDATE zoho_outbox_private.entity_state AS state
SET
    intents = state.intents + 1,
    intent_at = clock_timestamp(),
    intent_keys = CASE
        WHEN held.look_key = ANY (state.intent_keys) THEN state.intent_keys
        ELSE state.intent_keys || held.look_key
    END,
    fate_unknown_at = clock_timestamp(),
    clean_look_at = NULL
FROM held
WHERE state.entity_id = held.entity_id AND state.entity_type = held.entity_type
RETURNING state.lease_token
