-- Rows of one type forget their records: the host row's id is cleared, the state row goes, open entries are set aside, the
-- log says who did what. Returned are those that were forgotten; one that somebody sends, replays or edits at this moment,
-- or that names another record by now, is not, and changes in nothing. {host_table} and {zoho_id} are identifiers.
-- The state row goes whole: without it the row stands as before the backfill. Nothing is known of it, what needs it
-- enqueues it, and its next create looks in Zoho first.
-- One statement: forgotten here and remembered there is what it must not come to.
WITH wanted AS MATERIALIZED (
    SELECT wanted.*
    FROM jsonb_to_recordset(%(records)s) AS wanted (
        entity_id uuid,
        zoho_id text,
        said text,
        log jsonb
    )
),
held AS MATERIALIZED (
    SELECT wanted.*
    FROM wanted
    JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = wanted.entity_id
        AND state.entity_type = %(entity_type)s
        AND state.zoho_id IS NOT DISTINCT FROM wanted.zoho_id
    WHERE state.phase <> 'leased' AND state.fate_unknown_at IS NULL
    ORDER BY state.entity_id
    FOR UPDATE OF state SKIP LOCKED
),
present AS MATERIALIZED (
    SELECT host.id FROM {host_table} AS host WHERE host.id IN (SELECT held.entity_id FROM held)
),
-- An application's open transaction may hold the row: then it is left for the next run, nobody waits.
lockable AS MATERIALIZED (
    SELECT host.id
    FROM {host_table} AS host
    JOIN held ON held.entity_id = host.id
    WHERE COALESCE(btrim(host.{zoho_id}), '') IN ('', COALESCE(held.zoho_id, ''))
    FOR NO KEY UPDATE OF host SKIP LOCKED
),
-- LATERAL: see stamp_entries.sql.
open AS MATERIALIZED (
    SELECT held.entity_id, entry.id
    FROM held
    CROSS JOIN LATERAL (
        SELECT open.id
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = held.entity_id
            AND open.entity_type = %(entity_type)s
            AND open.admitted
            AND open.finished_at IS NULL
    ) AS entry
),
free AS MATERIALIZED (
    SELECT entry.id
    FROM public.zoho_outbox AS entry
    WHERE entry.id IN (SELECT open.id FROM open)
    FOR UPDATE OF entry SKIP LOCKED
),
taken AS MATERIALIZED (
    SELECT held.*
    FROM held
    LEFT JOIN present ON present.id = held.entity_id
    LEFT JOIN lockable ON lockable.id = held.entity_id
    WHERE (present.id IS NULL OR lockable.id IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM open WHERE open.entity_id = held.entity_id AND open.id NOT IN (SELECT free.id FROM free)
        )
),
cleared AS (
    UPDATE {host_table} AS host
    SET
        {zoho_id} = NULL,
        zoho_sync_status = 'skipped',
        zoho_last_synced_at = NULL,
        zoho_last_sync_error = taken.said
    FROM taken
    WHERE host.id = taken.entity_id
),
set_aside AS (
    UPDATE public.zoho_outbox AS entry
    SET
        status = 'skipped',
        outcome = 'set_aside',
        requested_by = session_user,
        requested_at = clock_timestamp(),
        finished_at = clock_timestamp(),
        next_attempt_at = NULL,
        waiting_for = NULL,
        last_error = taken.said,
        revision = entry.revision + 1
    FROM open
    JOIN taken ON taken.entity_id = open.entity_id
    WHERE entry.id = open.id
),
forgotten AS (
    DELETE FROM zoho_outbox_private.entity_state AS state
    USING taken
    WHERE state.entity_id = taken.entity_id AND state.entity_type = %(entity_type)s
    RETURNING state.entity_id
),
-- What waits for one of them would be woken by nobody: it looks again, and has what it needs enqueued.
woken AS (
    UPDATE zoho_outbox_private.entity_state AS child
    SET
        phase = 'ready',
        due_at = clock_timestamp(),
        waits_for_type = NULL,
        waits_for_id = NULL,
        waits_for_dead = false,
        waits_for_rest = false
    FROM taken
    WHERE child.phase = 'waiting' AND child.waits_for_id = taken.entity_id AND child.waits_for_type = %(entity_type)s
),
logged AS (
    INSERT INTO public.zoho_sync_logs (
        entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, error_message, request_payload,
        duration_ms, api_calls
    )
    SELECT
        %(entity_type)s,
        taken.entity_id,
        taken.log ->> 'zoho_entity_type',
        taken.zoho_id,
        'success',
        taken.said,
        taken.log -> 'request_payload',
        (taken.log ->> 'duration_ms')::integer,
        (taken.log ->> 'api_calls')::integer
    FROM taken
    WHERE jsonb_typeof(taken.log) = 'object'
)
SELECT forgotten.entity_id FROM forgotten
