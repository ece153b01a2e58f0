-- Rows of a listing that are known under one of the keys.
SELECT listed.record
FROM zoho_outbox_private.listed_record AS listed
WHERE listed.listing = %(listing)s AND listed.found_by && %(keys)s::text[]
ORDER BY listed.zoho_id
