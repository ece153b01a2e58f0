-- Rows of a list by the records' ids.
SELECT listed.zoho_id, listed.record
FROM zoho_outbox_private.listed_record AS listed
WHERE listed.listing = %(listing)s AND listed.zoho_id = ANY (%(zoho_ids)s::text[])
