-- Dead letters by type and cause, the most frequent first: as zoho_outbox_dead, bounded; each with its newest
-- example. Reads the index of dead states, `most` of each type at most: a flood of one type hides no other.
WITH dead AS MATERIALIZED (
    SELECT
        state.entity_type,
        state.entity_id,
        state.due_at,
        state.last_error,
        zoho_outbox_private.cause(state.last_error) AS cause
    FROM unnest(%(types)s::text[]) AS kind (entity_type)
    CROSS JOIN LATERAL (
        SELECT letter.entity_type, letter.entity_id, letter.due_at, letter.last_error
        FROM zoho_outbox_private.entity_state AS letter
        WHERE letter.phase = 'dead' AND letter.entity_type = kind.entity_type
        LIMIT %(most)s
    ) AS state
),
cause AS (
    SELECT
        dead.entity_type,
        dead.cause,
        count(*)                                                                    AS letters,
        min(dead.due_at)                                                            AS oldest,
        max(dead.due_at)                                                            AS newest,
        (array_agg(dead.last_error ORDER BY dead.due_at DESC, dead.entity_id))[1]   AS example,
        (array_agg(dead.entity_id ORDER BY dead.due_at DESC, dead.entity_id))[1]    AS entity_id
    FROM dead
    GROUP BY dead.entity_type, dead.cause
    ORDER BY letters DESC, newest DESC
    LIMIT 50
)
SELECT
    cause.entity_type || '-' || left(md5(cause.cause), 16)  AS key,
    cause.entity_type,
    cause.cause,
    cause.letters,
    cause.oldest,
    cause.newest,
    cause.example,
    cause.entity_id,
    entry.id                                                AS example_entry
FROM cause
LEFT JOIN LATERAL (
    SELECT open.id
    FROM public.zoho_outbox AS open
    WHERE open.entity_id = cause.entity_id
        AND open.entity_type = cause.entity_type
        AND open.admitted
        AND open.finished_at IS NULL
        AND open.status = 'dead'
    ORDER BY open.id DESC
    LIMIT 1
) AS entry ON true
ORDER BY cause.letters DESC, cause.newest DESC
