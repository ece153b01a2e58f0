-- Claims a record in Zoho for an entity, before anything is written to it: two rows must not adopt one record.
-- Returns whose it is: this entity's own id, another's, or nothing where the lease is no longer ours.
WITH other AS (
    SELECT state.entity_id
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.zoho_id = %(zoho_id)s
        AND state.entity_type = %(entity_type)s
        AND state.entity_id <> %(entity_id)s
    LIMIT 1
),
owned AS (
    UPDATE zoho_outbox_private.entity_state AS state
    SET zoho_id = %(zoho_id)s
    WHERE state.entity_id = %(entity_id)s
        AND state.entity_type = %(entity_type)s
        AND state.lease_token = %(token)s
        AND NOT EXISTS (SELECT FROM other)
    RETURNING state.entity_id
)
SELECT COALESCE((SELECT other.entity_id FROM other), (SELECT owned.entity_id FROM owned)) AS entity_id
