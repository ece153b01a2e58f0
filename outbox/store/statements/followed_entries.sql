-- Where the entries that a command follows stand. "later": between attempts, and not within the next minute. "soon": it
-- waits, and is woken already, or what it waits for is on its way. A prerequisite that is not admitted yet is not seen:
-- to look for it would read the whole backlog.
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
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON entry.status = 'waiting' AND state.entity_id = entry.entity_id AND state.entity_type = entry.entity_type
LEFT JOIN zoho_outbox_private.entity_state AS awaited
    ON awaited.entity_id = state.waits_for_id AND awaited.entity_type = state.waits_for_type
WHERE
    -- <appended>
    entry.id BETWEEN %(first)s AND %(last)s AND entry.requested_by = %(run)s
    -- </appended>
    -- <reopened>
    entry.id = ANY (%(ids)s::bigint[])
    -- </reopened>
GROUP BY 1, 2, 3, 4
