-- The newest runs of reconcile, with what they came to; a run a night, so there are few. The counts are those of the
-- parts: findings are not counted.
SELECT
    run.id,
    run.deep,
    run.entity_types,
    run.started_at,
    run.started_by,
    run.finished_at,
    run.requests,
    run.going_until > clock_timestamp() AS under_way,
    part.agree,
    part.differ,
    part.not_compared,
    part.complete
FROM (
    SELECT latest.*
    FROM zoho_outbox_private.reconciliation AS latest
    ORDER BY latest.started_at DESC
    LIMIT %(limit)s
) AS run
CROSS JOIN LATERAL (
    SELECT
        COALESCE(sum(one.agree), 0)::bigint         AS agree,
        COALESCE(sum(one.differ), 0)::bigint        AS differ,
        COALESCE(sum(one.not_compared), 0)::bigint  AS not_compared,
        COALESCE(bool_and(one.stage = 'done'), false) AS complete
    FROM zoho_outbox_private.reconciliation_part AS one
    WHERE one.run = run.id
) AS part
ORDER BY run.started_at DESC
