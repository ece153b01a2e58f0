-- First half: hides the pause from the rest of this transaction, and from nobody else. The lock keeps anybody from ending
-- it meanwhile. No row: sending is not paused (any more).
WITH earlier AS MATERIALIZED (
    SELECT organisation.paused_at
    FROM zoho_outbox_private.organisation AS organisation
    WHERE organisation.only_row AND organisation.paused_at IS NOT NULL
    FOR UPDATE OF organisation
)
UPDATE zoho_outbox_private.organisation AS organisation
SET paused_at = NULL
FROM earlier
WHERE organisation.only_row
RETURNING earlier.paused_at
