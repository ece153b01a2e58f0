-- An entity's entries, newest first: the unfinished ones by their indexes; of the finished ones those that the log
-- knows (an attempt's row names the entry it carried) and those among the newest 100,000 of all. No index leads from an
-- entity to its finished entries: the host's transactions would pay for it.
WITH known AS (
    SELECT entry.id
    FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted AND entry.entity_id = %(entity_id)s AND entry.entity_type = %(entity_type)s
    UNION
    SELECT entry.id
    FROM public.zoho_outbox AS entry
    WHERE entry.admitted
        AND entry.finished_at IS NULL
        AND entry.entity_id = %(entity_id)s
        AND entry.entity_type = %(entity_type)s
    UNION
    (
        SELECT log.outbox_id
        FROM public.zoho_sync_logs AS log
        WHERE log.entity_id = %(entity_id)s AND log.entity_type = %(entity_type)s AND log.outbox_id IS NOT NULL
        ORDER BY log.created_at DESC
        LIMIT %(limit)s
    )
    UNION
    SELECT recent.id
    FROM (
        SELECT entry.id, entry.entity_id, entry.entity_type
        FROM public.zoho_outbox AS entry
        ORDER BY entry.id DESC
        LIMIT 100000
    ) AS recent
    WHERE recent.entity_id = %(entity_id)s AND recent.entity_type = %(entity_type)s
)
SELECT
    entry.id,
    entry.created_at,
    entry.change,
    entry.origin,
    entry.requested_by,
    entry.priority,
    entry.admitted,
    entry.status,
    entry.outcome,
    entry.attempts,
    entry.next_attempt_at,
    entry.finished_at,
    entry.waiting_for,
    entry.last_error,
    entry.zoho_id
FROM known
JOIN public.zoho_outbox AS entry ON entry.id = known.id
ORDER BY entry.id DESC
LIMIT %(limit)s
