-- Entities between attempts whose first attempt is longer ago than `seconds`: how many (`most` at most, of those that
-- are due first), and the oldest. When a series began says the log; where its row is missing, the oldest unfinished
-- change.
WITH between_attempts AS MATERIALIZED (
    (
        SELECT state.entity_type, state.entity_id
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.phase = 'scheduled'
        ORDER BY state.due_at
        LIMIT %(most)s
    )
    UNION ALL
    (
        SELECT state.entity_type, state.entity_id
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.phase = 'ready' AND state.attempts > 0
        LIMIT %(most)s
    )
),
long AS MATERIALIZED (
    SELECT between_attempts.entity_type, between_attempts.entity_id, begun.since
    FROM between_attempts
    CROSS JOIN LATERAL (
        SELECT
            COALESCE(
                (
                    SELECT log.created_at
                    FROM public.zoho_sync_logs AS log
                    WHERE log.entity_id = between_attempts.entity_id
                        AND log.entity_type = between_attempts.entity_type
                        AND log.attempt_number = 1
                        AND log.status = 'retrying'
                    ORDER BY log.created_at DESC
                    LIMIT 1
                ),
                (
                    SELECT min(open.created_at)
                    FROM public.zoho_outbox AS open
                    WHERE open.entity_id = between_attempts.entity_id
                        AND open.entity_type = between_attempts.entity_type
                        AND open.admitted
                        AND open.finished_at IS NULL
                )
            ) AS since
    ) AS begun
    WHERE begun.since < now() - make_interval(secs => %(seconds)s)
)
SELECT (SELECT count(*) FROM long) AS entities, oldest.entity_type, oldest.entity_id, oldest.since
FROM (VALUES (true)) AS always (shown)
LEFT JOIN LATERAL (SELECT long.* FROM long ORDER BY long.since LIMIT 1) AS oldest ON always.shown
