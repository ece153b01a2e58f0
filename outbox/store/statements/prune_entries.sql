-- Deletes finished entries past the retention, a batch in the order of their ids, from `after` on. Reads no further
-- than the first batch in which nothing is old enough: ids are nearly in the order of time.
-- Returns how far it read; NULL means that it is through. One pruner at a time: others skip.
WITH pruner AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(1517249391) AS alone
),
read AS MATERIALIZED (
    SELECT entry.id, entry.status, entry.created_at, entry.finished_at
    FROM public.zoho_outbox AS entry
    WHERE entry.id > %(after)s
        AND (SELECT pruner.alone FROM pruner)
    ORDER BY entry.id
    LIMIT %(batch)s
),
deleted AS (
    DELETE FROM public.zoho_outbox AS entry
    WHERE entry.id = ANY (
        ARRAY(
            SELECT read.id
            FROM read
            WHERE read.status IN ('done', 'skipped')
                AND read.finished_at < clock_timestamp() - make_interval(days => %(days)s)
        )
    )
    RETURNING entry.id
)
SELECT
    (
        SELECT max(read.id)
        FROM read
        HAVING min(read.created_at) < clock_timestamp() - make_interval(days => %(days)s)
    )                                           AS read_to,
    (SELECT count(*) FROM deleted)              AS deleted
