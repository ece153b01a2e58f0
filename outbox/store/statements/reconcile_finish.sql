-- The run is over. What was found stays until the next ones are older than the retention; its lists go.
WITH finished AS (
    UPDATE zoho_outbox_private.reconciliation AS run
    SET finished_at = clock_timestamp()
    WHERE run.id = %(run)s
    RETURNING run.id
)
DELETE FROM zoho_outbox_private.listed_record AS listed
USING finished, zoho_outbox_private.reconciliation_part AS part
WHERE part.run = finished.id AND listed.listing = part.listing
