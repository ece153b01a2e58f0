-- Entities that somebody holds for longer than `seconds`: how many (`most` at most), and the one held longest.
WITH held AS MATERIALIZED (
    SELECT state.entity_type, state.entity_id, state.leased_at AS since
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'leased' AND state.leased_at < now() - make_interval(secs => %(seconds)s)
    LIMIT %(most)s
)
SELECT (SELECT count(*) FROM held) AS entities, oldest.entity_type, oldest.entity_id, oldest.since
FROM (VALUES (true)) AS always (shown)
LEFT JOIN LATERAL (SELECT held.* FROM held ORDER BY held.since LIMIT 1) AS oldest ON always.shown
