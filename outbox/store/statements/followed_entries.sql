-- Where the entries that a command follows stand. "later": between attempts, and not within the next minute. "soon": it
-- waits, and is woken already, or what it waits for is on its way. A prerequisite that is not admitted yet is not seen:
-- to look for it would read the whole backlog.
-- LATERAL and LIMIT, so that only what waits is looked up, and by its key: joined, every entry was (5,000 of a run: 15,100
-- pages, 200 so). With 100,000 that were just appended a look took more than a minute once, and the command gave up.
SELECT
    entry.entity_type,
    entry.status,
    COALESCE(entry.next_attempt_at > clock_timestamp() + interval '1 minute', false)    AS later,
    COALESCE(
        state.phase IN ('ready', 'leased')
        OR awaited.phase IN ('ready', 'leased')
        OR (awaited.phase = 'scheduled' AND awaited.due_at < clock_timestamp() + interval '1 minute'),
        false
    )                                                                                   AS soon,
    count(*)                                                                            AS entries
FROM public.zoho_outbox AS entry
LEFT JOIN LATERAL (
    SELECT known.phase, known.waits_for_id, known.waits_for_type
    FROM zoho_outbox_private.entity_state AS known
    WHERE entry.status = 'waiting' AND known.entity_id = entry.entity_id AND known.entity_type = entry.entity_type
    LIMIT 1
) AS state ON true
LEFT JOIN LATERAL (
    SELECT known.phase, known.due_at
    FROM zoho_outbox_private.entity_state AS known
    WHERE known.entity_id = state.waits_for_id AND known.entity_type = state.waits_for_type
    LIMIT 1
) AS awaited ON true
WHERE
    -- <appended>
    entry.id BETWEEN %(first)s AND %(last)s AND entry.requested_by = %(run)s
    -- </appended>
    -- <reopened>
    entry.id = ANY (%(ids)s::bigint[])
    -- </reopened>
GROUP BY 1, 2, 3, 4
