-- Entities that are due for longer than `seconds`, backfill and reconciliation aside: how many (`most` at most), and
-- the oldest. By the index of what is ready, and of what nobody has admitted yet.
-- due_at and not created_at: what waited for its customer for a week is not late in the moment after that.
-- now() and not clock_timestamp(): see health_attempts.sql.
WITH late AS MATERIALIZED (
    (
        SELECT state.entity_type, state.entity_id, state.due_at AS since
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.phase = 'ready'
            AND state.urgency < 30
            AND state.due_at < now() - make_interval(secs => %(seconds)s)
        LIMIT %(most)s
    )
    UNION ALL
    (
        -- One that was replayed keeps the moment of its change: it counts from when that was asked for.
        SELECT entry.entity_type, entry.entity_id, min(COALESCE(entry.requested_at, entry.created_at)) AS since
        FROM public.zoho_outbox AS entry
        WHERE NOT entry.admitted
            AND entry.priority < 30
            AND entry.origin <> 'backfill'
            AND COALESCE(entry.requested_at, entry.created_at) < now() - make_interval(secs => %(seconds)s)
            -- Counted already, where it is due for another change.
            AND NOT EXISTS (
                SELECT FROM zoho_outbox_private.entity_state AS state
                WHERE state.entity_id = entry.entity_id
                    AND state.entity_type = entry.entity_type
                    AND state.phase = 'ready'
                    AND state.urgency < 30
                    AND state.due_at < now() - make_interval(secs => %(seconds)s)
            )
        GROUP BY entry.entity_type, entry.entity_id
        LIMIT %(most)s
    )
)
SELECT (SELECT count(*) FROM late) AS entities, oldest.entity_type, oldest.entity_id, oldest.since
FROM (VALUES (true)) AS always (shown)
LEFT JOIN LATERAL (SELECT late.* FROM late ORDER BY late.since LIMIT 1) AS oldest ON always.shown
