-- Whose status columns could not be written at settlement, and are due to be tried again.
SELECT state.entity_type, state.entity_id
FROM zoho_outbox_private.entity_state AS state
WHERE state.write_back_due <= now() AND state.phase <> 'leased'
ORDER BY state.write_back_due
LIMIT %(batch)s
