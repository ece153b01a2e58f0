-- Why entries that a command follows are not done, the most frequent first, each with an example.
SELECT
    entry.entity_type,
    entry.status,
    COALESCE(entry.waiting_for, entry.last_error)   AS reason,
    count(*)                                        AS entries,
    min(entry.entity_id::text)                      AS example
FROM public.zoho_outbox AS entry
WHERE entry.status IN ('waiting', 'dead', 'skipped', 'pending')
    -- <appended>
    AND entry.id BETWEEN %(first)s AND %(last)s AND entry.requested_by = %(run)s
    -- </appended>
    -- <reopened>
    AND entry.id = ANY (%(ids)s::bigint[])
    -- </reopened>
GROUP BY 1, 2, 3
ORDER BY entry.entity_type, entry.status, entries DESC
LIMIT 200
