-- What an entity's unfinished entries ask for together: those that nobody has admitted yet, and those that a claim
-- would absorb. Reads the entries that are not admitted, all of them: they stand in no index by entity, because the
-- host's transactions would pay for it.
WITH mine AS (
    SELECT entry.*
    FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted AND entry.entity_id = %(entity_id)s AND entry.entity_type = %(entity_type)s
    UNION ALL
    SELECT entry.*
    FROM public.zoho_outbox AS entry
    WHERE entry.admitted
        AND entry.finished_at IS NULL
        AND entry.entity_id = %(entity_id)s
        AND entry.entity_type = %(entity_type)s
)
SELECT
    count(*)                                                                                    AS entries,
    count(*) FILTER (WHERE NOT mine.admitted)                                                   AS not_admitted,
    max(mine.id)                                                                                AS newest_entry,
    min(mine.created_at)                                                                        AS oldest_change,
    COALESCE(bool_or(mine.origin IN ('operator', 'reconcile') OR mine.change = 'resend'), false) AS resend,
    COALESCE(bool_or(mine.change = 'inserted' AND NOT mine.admitted), false)                    AS inserted,
    COALESCE(bool_or(mine.change IN ('deleted', 'truncated') AND NOT mine.admitted), false)     AS deleted,
    max(mine.zoho_id) FILTER (WHERE mine.change IN ('deleted', 'truncated'))                    AS deleted_zoho_id
FROM mine
