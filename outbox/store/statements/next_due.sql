-- How long until something that is scheduled becomes due.
SELECT EXTRACT(EPOCH FROM min(state.due_at) - clock_timestamp())::double precision AS seconds
FROM zoho_outbox_private.entity_state AS state
WHERE state.phase = 'scheduled'
