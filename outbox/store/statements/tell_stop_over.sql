-- What was used up is open again: the line of whoever sees it first.
WITH over AS MATERIALIZED (
    SELECT organisation.stop_told AS reason
    FROM zoho_outbox_private.organisation AS organisation
    WHERE organisation.stop_told_until <= clock_timestamp()
    LIMIT 1
    FOR UPDATE OF organisation
)
UPDATE zoho_outbox_private.organisation AS organisation
SET stop_told = NULL, stop_told_until = NULL
FROM over
WHERE organisation.only_row
RETURNING over.reason
