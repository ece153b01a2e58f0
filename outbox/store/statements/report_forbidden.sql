-- A person must act: nothing is sent but a probe every quarter of an hour.
UPDATE zoho_outbox_private.organisation AS organisation
SET
    forbidden_at = COALESCE(organisation.forbidden_at, clock_timestamp()),
    forbidden_why = %(why)s,
    probe_at = clock_timestamp() + interval '15 minutes'
FROM (SELECT earlier.* FROM zoho_outbox_private.organisation AS earlier WHERE earlier.only_row FOR UPDATE) AS earlier
WHERE organisation.only_row
RETURNING earlier.forbidden_at IS NOT NULL AS was_forbidden
