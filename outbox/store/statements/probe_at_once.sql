-- A process starts, perhaps with mended credentials: a refusal before is tried again now, not in a quarter of an hour.
UPDATE zoho_outbox_private.organisation AS organisation
SET probe_at = clock_timestamp()
WHERE organisation.forbidden_at IS NOT NULL
