-- What failed: entities that are dead or between attempts, each with its newest open entry. To reopen one is enough: the
-- claim absorbs every open entry of the entity. Two branches, because each phase has an index of its own.
WITH failed AS (
    SELECT state.entity_type, state.entity_id, state.phase, state.last_error
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'dead' AND state.entity_type = ANY (%(entity_types)s)
    UNION ALL
    SELECT state.entity_type, state.entity_id, state.phase, state.last_error
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'scheduled' AND state.entity_type = ANY (%(entity_types)s)
)
SELECT
    failed.entity_type,
    failed.entity_id,
    failed.phase,
    failed.last_error,
    entry.id AS entry_id
FROM failed
CROSS JOIN LATERAL (
    SELECT open.id
    FROM public.zoho_outbox AS open
    WHERE open.admitted
        AND open.finished_at IS NULL
        AND open.entity_id = failed.entity_id
        AND open.entity_type = failed.entity_type
        AND open.status IN ('dead', 'pending')
    ORDER BY open.id DESC
    LIMIT 1
) AS entry
ORDER BY entry.id
