-- Deletes our log rows past the retention, a batch in the order of time, from (after, after_id) on. What another
-- integration wrote into this table stays; it is read past once, not with each batch.
-- Returns how far it read; no row means that it is through. One pruner at a time: others skip.
WITH pruner AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(1517249391) AS alone
),
read AS MATERIALIZED (
    SELECT
        log.id,
        log.created_at,
        log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL AS is_ours
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at < now() - make_interval(days => %(days)s)
        -- A cursor: index entries of deleted rows stay until vacuum, and from the beginning each batch would read past
        -- those of all batches before it.
        AND (log.created_at, log.id) > (%(after)s::timestamptz, %(after_id)s::uuid)
        AND (SELECT pruner.alone FROM pruner)
    ORDER BY log.created_at, log.id
    LIMIT %(batch)s
),
deleted AS (
    DELETE FROM public.zoho_sync_logs AS log
    WHERE log.id = ANY (ARRAY(SELECT read.id FROM read WHERE read.is_ours))
    RETURNING log.id
)
SELECT
    -- As text: what others wrote may lie beyond the years that Python knows.
    read.created_at::text                       AS read_to,
    read.id                                     AS read_to_id,
    (SELECT count(*) FROM deleted)              AS deleted
FROM read
ORDER BY read.created_at DESC, read.id DESC
LIMIT 1
