-- Where an entity stands; no row: nothing of it was ever admitted.
SELECT state.phase
FROM zoho_outbox_private.entity_state AS state
WHERE state.entity_id = %(entity_id)s AND state.entity_type = %(entity_type)s
