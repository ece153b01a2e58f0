-- Unfinished work of one standing, in the order in which it is taken up, from a place on. Each standing has its own
-- partial index of entity_state.
SELECT
    state.entity_type,
    state.entity_id,
    state.urgency,
    state.due_at,
    state.attempts,
    state.leased_at,
    state.waits_for_type,
    state.waits_for_id,
    left(COALESCE(entry.waiting_for, state.last_error), 400) AS reason
FROM (
    SELECT work.*
    FROM zoho_outbox_private.entity_state AS work
    WHERE
        -- <pending>
        work.phase = 'ready'
        AND (work.urgency, work.due_at, work.entity_id) > (%(after_urgency)s, %(after_at)s::timestamptz, %(after_id)s::uuid)
        -- </pending>
        -- <retrying>
        work.phase = 'scheduled'
        AND (work.due_at, work.entity_id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
        -- </retrying>
        -- <waiting>
        work.phase = 'waiting'
        AND (work.waits_for_id, work.entity_id) > (%(after_awaited)s::uuid, %(after_id)s::uuid)
        -- </waiting>
        -- <syncing>
        work.phase = 'leased'
        AND work.entity_id > %(after_id)s::uuid
        -- </syncing>
    ORDER BY
        -- <pending>
        work.urgency, work.due_at, work.entity_id
        -- </pending>
        -- <retrying>
        work.due_at, work.entity_id
        -- </retrying>
        -- <waiting>
        work.waits_for_id, work.entity_id
        -- </waiting>
        -- <syncing>
        work.entity_id
        -- </syncing>
    LIMIT %(limit)s
) AS state
LEFT JOIN LATERAL (
    SELECT open.waiting_for
    FROM public.zoho_outbox AS open
    WHERE state.phase = 'waiting'
        AND open.admitted
        AND open.finished_at IS NULL
        AND open.entity_id = state.entity_id
        AND open.entity_type = state.entity_type
        AND open.status = 'waiting'
    ORDER BY open.id DESC
    LIMIT 1
) AS entry ON true
ORDER BY
    -- <pending>
    state.urgency, state.due_at, state.entity_id
    -- </pending>
    -- <retrying>
    state.due_at, state.entity_id
    -- </retrying>
    -- <waiting>
    state.waits_for_id, state.entity_id
    -- </waiting>
    -- <syncing>
    state.entity_id
    -- </syncing>
