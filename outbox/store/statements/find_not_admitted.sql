-- Which of these rows have entries that nobody has admitted yet, and since when. Reads all such entries: they stand in no
-- index by entity, because the host's transactions would pay for it. So it is asked for suspects alone.
SELECT entry.entity_id, min(entry.created_at) AS since
FROM public.zoho_outbox AS entry
WHERE NOT entry.admitted AND entry.entity_id = ANY (%(ids)s) AND entry.entity_type = %(entity_type)s
GROUP BY entry.entity_id
