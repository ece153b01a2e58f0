-- Dead letters of one type and cause (dashboard_dead_causes.sql makes its digest), the newest first, from a place on;
-- each with the entry that a replay or a skip names, and with what they have in common.
WITH dead AS MATERIALIZED (
    SELECT
        state.entity_type,
        state.entity_id,
        state.due_at,
        state.attempts,
        state.last_error,
        zoho_outbox_private.cause(state.last_error) AS cause
    FROM (
        SELECT letter.*
        FROM zoho_outbox_private.entity_state AS letter
        WHERE letter.phase = 'dead' AND letter.entity_type = %(entity_type)s
        LIMIT %(most)s
    ) AS state
),
alike AS MATERIALIZED (
    SELECT dead.*, count(*) OVER () AS letters
    FROM dead
    WHERE left(md5(dead.cause), 16) = %(digest)s
),
chosen AS MATERIALIZED (
    SELECT alike.*
    FROM alike
    WHERE (alike.due_at, alike.entity_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
    ORDER BY alike.due_at DESC, alike.entity_id DESC
    LIMIT %(limit)s
)
SELECT
    chosen.entity_type,
    chosen.entity_id,
    chosen.due_at       AS died_at,
    chosen.attempts,
    chosen.last_error,
    chosen.cause,
    chosen.letters,
    entry.id            AS entry_id
FROM chosen
LEFT JOIN LATERAL (
    SELECT open.id
    FROM public.zoho_outbox AS open
    WHERE open.entity_id = chosen.entity_id
        AND open.entity_type = chosen.entity_type
        AND open.admitted
        AND open.finished_at IS NULL
        AND open.status = 'dead'
    ORDER BY open.id DESC
    LIMIT 1
) AS entry ON true
ORDER BY chosen.due_at DESC, chosen.entity_id DESC
