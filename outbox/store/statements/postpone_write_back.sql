-- The host refuses this row's status columns (a trigger of its own, say): tried again in a minute.
UPDATE zoho_outbox_private.entity_state AS state
SET write_back_due = clock_timestamp() + interval '1 minute'
WHERE state.entity_id = %(entity_id)s AND state.entity_type = %(entity_type)s AND state.write_back_due IS NOT NULL
