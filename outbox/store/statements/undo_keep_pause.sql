-- Second half, in the same transaction: the pause stands as it stood.
UPDATE zoho_outbox_private.organisation AS organisation
SET paused_at = %(paused_at)s
WHERE organisation.only_row
