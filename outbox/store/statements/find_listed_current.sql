-- Rows of a listing that are known under one of the keys; no row at all: it is no longer the one that look-ups go by,
-- and its rows may be gone, which would look like a proof that there is no record.
SELECT listed.record
FROM zoho_outbox_private.listing AS listing
LEFT JOIN zoho_outbox_private.listed_record AS listed
    ON listed.listing = listing.listing AND listed.found_by && %(keys)s::text[]
WHERE listing.entity_type = %(entity_type)s AND listing.listing = %(listing)s
ORDER BY listed.zoho_id
