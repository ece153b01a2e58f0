-- Which entity a record in Zoho is known to belong to.
SELECT state.entity_id
FROM zoho_outbox_private.entity_state AS state
WHERE state.zoho_id = %(zoho_id)s AND state.entity_type = %(entity_type)s
LIMIT 1
