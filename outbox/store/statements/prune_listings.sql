-- Listings that nobody may go by any more, and rows of lists that were never read to their end.
WITH outdated AS (
    DELETE FROM zoho_outbox_private.listing AS listing
    WHERE listing.begun_at < clock_timestamp() - interval '2 days'
)
DELETE FROM zoho_outbox_private.listed_record AS listed
WHERE listed.listed_at < clock_timestamp() - interval '2 days'
    -- A comparison may take days; it looks after its own lists.
    AND NOT EXISTS (
        SELECT FROM zoho_outbox_private.reconciliation_part AS part
        JOIN zoho_outbox_private.reconciliation AS run ON run.id = part.run
        WHERE part.listing = listed.listing AND run.finished_at IS NULL
    )
