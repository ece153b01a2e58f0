-- Entities that are dead for longer than `seconds`: how many (`most` at most), and the one that is dead longest. Of a
-- dead entity, due_at is when it came to rest.
WITH dead AS MATERIALIZED (
    SELECT state.entity_type, state.entity_id, state.due_at AS since
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'dead' AND state.due_at <= now() - make_interval(secs => %(seconds)s)
    LIMIT %(most)s
)
SELECT (SELECT count(*) FROM dead) AS entities, oldest.entity_type, oldest.entity_id, oldest.since
FROM (VALUES (true)) AS always (shown)
LEFT JOIN LATERAL (SELECT dead.* FROM dead ORDER BY dead.since LIMIT 1) AS oldest ON always.shown
