-- Changes that were captured and that no daemon has taken up yet, oldest first, from a place on. By the index of entries
-- that are not admitted.
SELECT entry.id, entry.entity_type, entry.entity_id, entry.created_at, entry.change, entry.origin, entry.requested_by
FROM public.zoho_outbox AS entry
WHERE NOT entry.admitted AND entry.id > %(after)s
ORDER BY entry.id
LIMIT %(limit)s
