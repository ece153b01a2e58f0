-- The intent to create, committed before the request leaves. From here on the fate of a create is unknown until
-- settlement says otherwise: whoever takes over looks before it creates.
UPDATE zoho_outbox_private.entity_state AS state
SET
    intents = state.intents + 1,
    intent_at = clock_timestamp(),
    intent_keys = CASE
        WHEN %(look_key)s = ANY (state.intent_keys) THEN state.intent_keys
        ELSE state.intent_keys || %(look_key)s::text
    END,
    fate_unknown_at = clock_timestamp(),
    clean_look_at = NULL
WHERE state.entity_id = %(entity_id)s
    AND state.entity_type = %(entity_type)s
    AND state.lease_token = %(token)s
    AND state.lease_until > clock_timestamp()
RETURNING state.intents
