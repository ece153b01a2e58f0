-- Entities whose next attempt should have been made more than `seconds` ago: how many (`most` at most), and the one
-- that is late longest. What is ready for the first time is no such thing: it stands in its order.
WITH late AS MATERIALIZED (
    (
        SELECT state.entity_type, state.entity_id, state.due_at AS since
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.phase = 'scheduled' AND state.due_at < now() - make_interval(secs => %(seconds)s)
        ORDER BY state.due_at
        LIMIT %(most)s
    )
    UNION ALL
    (
        SELECT state.entity_type, state.entity_id, state.due_at AS since
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.phase = 'ready'
            AND state.attempts > 0
            AND state.due_at < now() - make_interval(secs => %(seconds)s)
        LIMIT %(most)s
    )
)
SELECT (SELECT count(*) FROM late) AS entities, oldest.entity_type, oldest.entity_id, oldest.since
FROM (VALUES (true)) AS always (shown)
LEFT JOIN LATERAL (SELECT late.* FROM late ORDER BY late.since LIMIT 1) AS oldest ON always.shown
