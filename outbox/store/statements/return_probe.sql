-- A probe that asked nobody (this process may not ask for a token yet, the lease was spent): somebody else may.
UPDATE zoho_outbox_private.organisation AS organisation
SET probe_at = clock_timestamp(), probes = greatest(organisation.probes - 1, 0)
WHERE organisation.only_row AND (organisation.forbidden_at IS NOT NULL OR organisation.broken_at IS NOT NULL)
