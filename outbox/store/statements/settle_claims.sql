-- Settlement: how claims of one type end, in one statement: the token is checked, the entries are closed or put back,
-- the log row is written, the host row's status columns are written once.
-- {host_table} and {zoho_id} are identifiers. A verdict whose token is no longer the lease's is not returned, and changes
-- nothing but that the entity is sent again.
-- One statement, so that no transaction stays open: a daemon frozen between two would hold the host's rows.
-- Each step carries on what the next one needs, or is asked by IN in an expression (hashed): the planner expects one row
-- of each, and joined them in loops, 40,000 rows read for 200 verdicts (a third of the time).
WITH verdict AS MATERIALIZED (
    SELECT verdict.*
    FROM jsonb_to_recordset(%(verdicts)s) AS verdict (
        entity_id uuid,
        token uuid,
        phase text,
        due_in double precision,
        urgency smallint,
        attempts integer,
        entry_status text,
        outcome text,
        error text,
        newest_entry bigint,
        zoho_id text,
        host_zoho_id text,
        read_zoho_id text,
        sent_hash text,
        fate text,
        waits_for_type text,
        waits_for_id uuid,
        waits_for_dead boolean,
        waits_for_rest boolean,
        enqueues boolean,
        waiting_for text,
        taken_over boolean,
        unblocks jsonb,
        show text,
        shown_error text,
        log jsonb
    )
),
held AS MATERIALIZED (
    SELECT state.arrived_since_claim, state.entity_type, verdict.*
    FROM verdict
    JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = verdict.entity_id
        AND state.entity_type = %(entity_type)s
        AND state.lease_token = verdict.token
    ORDER BY state.entity_id
    FOR UPDATE OF state
),
-- <host>
-- The host row is written only where something changes: each write of customer_invoices costs an audit row.
wanting AS MATERIALIZED (
    SELECT host.id, held.show, held.shown_error, held.host_zoho_id, held.read_zoho_id
    FROM held
    JOIN {host_table} AS host ON host.id = held.entity_id
    WHERE held.show IS NOT NULL
        AND (
            (held.show <> 'waiting' AND host.zoho_sync_status IS DISTINCT FROM held.show)
            OR (held.show <> 'retrying' AND host.zoho_last_sync_error IS DISTINCT FROM held.shown_error)
            OR (held.outcome = 'sent')
            OR (
                held.host_zoho_id IS DISTINCT FROM host.{zoho_id}
                AND held.host_zoho_id IS NOT NULL
                AND host.{zoho_id} IS NOT DISTINCT FROM held.read_zoho_id
            )
        )
),
-- An application's open transaction may hold the row: then it is written later, nobody waits.
lockable AS MATERIALIZED (
    SELECT wanting.*
    FROM wanting
    JOIN {host_table} AS host ON host.id = wanting.id
    FOR NO KEY UPDATE OF host SKIP LOCKED
),
written AS (
    UPDATE {host_table} AS host
    SET
        zoho_sync_status = lockable.show,
        zoho_last_synced_at = CASE
            WHEN lockable.show = 'synced' THEN clock_timestamp()
            ELSE host.zoho_last_synced_at
        END,
        zoho_last_sync_error = lockable.shown_error,
        -- Another hand may have set the id meanwhile: that is a request of its own and is not overwritten.
        {zoho_id} = CASE
            WHEN lockable.host_zoho_id IS NOT NULL AND host.{zoho_id} IS NOT DISTINCT FROM lockable.read_zoho_id
                THEN lockable.host_zoho_id
            ELSE host.{zoho_id}
        END
    FROM lockable
    WHERE host.id = lockable.id AND lockable.show <> 'waiting'
    RETURNING host.id
),
-- A statement of its own: to write the status again that stands there would look like an operator's wish ('pending').
noted AS (
    UPDATE {host_table} AS host
    SET zoho_last_sync_error = lockable.shown_error
    FROM lockable
    WHERE host.id = lockable.id AND lockable.show = 'waiting'
    RETURNING host.id
),
-- </host>
-- <no host>
wanting AS MATERIALIZED (
    SELECT held.entity_id AS id FROM held WHERE held.show IS NOT NULL
),
lockable AS MATERIALIZED (
    SELECT wanting.id FROM wanting WHERE false
),
-- </no host>
-- LATERAL: see stamp_entries.sql.
processing AS MATERIALIZED (
    SELECT
        entry.id,
        held.entity_id,
        held.newest_entry,
        held.entry_status,
        held.outcome,
        held.attempts,
        held.due_in,
        held.arrived_since_claim,
        held.waiting_for,
        held.error,
        held.zoho_id
    FROM held
    CROSS JOIN LATERAL (
        SELECT open.id
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = held.entity_id
            AND open.entity_type = held.entity_type
            AND open.admitted
            AND open.finished_at IS NULL
            AND open.status = 'processing'
        FOR UPDATE OF open SKIP LOCKED
    ) AS entry
),
-- Of a coalesced burst the newest entry carries the end; where that is an end, the others are superseded by it.
closed AS (
    UPDATE public.zoho_outbox AS entry
    SET
        status = CASE
            WHEN entry.id <> processing.newest_entry AND processing.entry_status IN ('done', 'skipped', 'dead') THEN 'done'
            ELSE processing.entry_status
        END,
        outcome = CASE
            WHEN entry.id <> processing.newest_entry AND processing.entry_status IN ('done', 'skipped', 'dead') THEN 'superseded'
            ELSE processing.outcome
        END,
        finished_at = CASE
            WHEN processing.entry_status IN ('done', 'skipped')
                OR (entry.id <> processing.newest_entry AND processing.entry_status = 'dead')
                THEN clock_timestamp()
        END,
        attempts = processing.attempts,
        next_attempt_at = CASE
            WHEN processing.entry_status = 'pending' AND processing.due_in > 0 AND NOT processing.arrived_since_claim
                THEN clock_timestamp() + make_interval(secs => processing.due_in)
        END,
        waiting_for = processing.waiting_for,
        last_error = processing.error,
        zoho_id = COALESCE(processing.zoho_id, entry.zoho_id),
        revision = entry.revision + 1
    FROM processing
    WHERE entry.id = processing.id
    RETURNING entry.id, entry.entity_id
),
closed_count AS (
    SELECT closed.entity_id, count(*) AS entries FROM closed GROUP BY closed.entity_id
),
-- Entries that an operator's open transaction holds cannot be closed now. Where an entity would come to rest all the
-- same, it is looked at again in a moment: if that transaction rolls back, nobody else would.
open_count AS MATERIALIZED (
    SELECT held.entity_id, held.entry_status, entry.entries
    FROM held
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = held.entity_id
            AND open.entity_type = held.entity_type
            AND open.admitted
            AND open.finished_at IS NULL
    ) AS entry
),
left_over AS MATERIALIZED (
    SELECT open_count.entity_id
    FROM open_count
    LEFT JOIN closed_count ON closed_count.entity_id = open_count.entity_id
    -- A claim that absorbed nothing closes nothing: whatever is open is left over.
    WHERE open_count.entries > CASE
        WHEN open_count.entry_status = 'pending' THEN 0
        ELSE COALESCE(closed_count.entries, 0)
    END
),
-- A verdict without a lease that had sent something: what Zoho holds is in doubt, so it is sent once more.
resent AS (
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, priority)
    SELECT %(entity_type)s, verdict.entity_id, 'resend', 'reconcile', 10
    FROM verdict
    LEFT JOIN held ON held.token = verdict.token
    WHERE held.token IS NULL AND (verdict.log ->> 'api_calls')::integer > 0
),
-- What this end makes possible elsewhere, and a prerequisite that was never captured (a row from before the
-- installation). Here, and not after: a process that died in between left a child that nobody would ever wake. A
-- prerequisite that came to rest without a record in Zoho (a draft) is not enqueued: its next change is captured, and a
-- child that asked again would be woken by the answer and ask again, for ever. Whether an un-admitted entry of its own
-- is on its way is not asked, that would read the whole backlog: two entries are sent as one.
wish AS (
    SELECT unblocked.entity_type, unblocked.entity_id, held.urgency
    FROM held
    CROSS JOIN LATERAL jsonb_to_recordset(held.unblocks) AS unblocked (entity_type text, entity_id uuid)
    UNION ALL
    SELECT held.waits_for_type, held.waits_for_id, held.urgency
    FROM held
    WHERE held.enqueues
        AND NOT EXISTS (
            SELECT FROM zoho_outbox_private.entity_state AS known
            WHERE known.entity_id = held.waits_for_id AND known.entity_type = held.waits_for_type
        )
),
wished AS (
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, priority)
    SELECT wish.entity_type, wish.entity_id, 'related', 'child', min(wish.urgency)
    FROM wish
    GROUP BY wish.entity_type, wish.entity_id
    ORDER BY wish.entity_type, wish.entity_id
),
settled AS (
    UPDATE zoho_outbox_private.entity_state AS state
    SET
        -- What arrived since the claim makes it due at once.
        phase = CASE
            WHEN state.arrived_since_claim THEN 'ready'
            WHEN about.is_left_over AND held.phase IN ('idle', 'dead') THEN 'scheduled'
            ELSE held.phase
        END,
        due_at = CASE
            WHEN state.arrived_since_claim THEN clock_timestamp()
            WHEN about.is_left_over AND held.phase IN ('idle', 'dead')
                THEN clock_timestamp() + interval '5 seconds'
            -- What came to rest after it was claimed may not have been seen by it: see wake_children.sql.
            WHEN held.phase = 'waiting' THEN COALESCE(state.leased_at, clock_timestamp())
            ELSE clock_timestamp() + make_interval(secs => COALESCE(held.due_in, 0))
        END,
        urgency = CASE WHEN state.arrived_since_claim THEN state.urgency ELSE held.urgency END,
        attempts = CASE
            WHEN held.phase = 'idle' THEN 0
            WHEN held.phase = 'dead' AND (state.arrived_since_claim OR about.is_left_over) THEN 0
            ELSE held.attempts
        END,
        arrived_since_claim = false,
        lease_token = NULL,
        lease_until = NULL,
        lease_session = NULL,
        leased_at = NULL,
        zoho_id = held.zoho_id,
        sent_hash = held.sent_hash,
        -- Found there as it should be is as good as sent: usable_id goes by it.
        sent_at = CASE
            WHEN held.outcome = 'sent' OR (held.outcome = 'unchanged' AND state.sent_at IS NULL) THEN clock_timestamp()
            ELSE state.sent_at
        END,
        fate_unknown_at = CASE held.fate WHEN 'settled' THEN NULL ELSE state.fate_unknown_at END,
        clean_look_at = CASE held.fate
            WHEN 'settled' THEN NULL
            WHEN 'looked_clean' THEN clock_timestamp()
            WHEN 'unknown' THEN NULL
            ELSE state.clean_look_at
        END,
        waits_for_type = held.waits_for_type,
        waits_for_id = held.waits_for_id,
        waits_for_dead = COALESCE(held.waits_for_dead, false),
        waits_for_rest = COALESCE(held.waits_for_rest, false),
        last_error = held.error,
        taken_over = held.taken_over,
        shown_status = CASE WHEN held.show IN ('synced', 'retrying', 'failed', 'skipped') THEN held.show ELSE state.shown_status END,
        shown_error = CASE WHEN held.show IS NOT NULL THEN held.shown_error ELSE state.shown_error END,
        write_back_due = CASE
            -- Waiting shows an error alone: a status that is still to be written stays so.
            WHEN held.show IS NULL OR (held.show = 'waiting' AND state.write_back_due IS NOT NULL)
                THEN state.write_back_due
            WHEN about.is_deferred THEN clock_timestamp() + interval '2 seconds'
        END,
        -- What stands to be written into the id column, where it could not be now.
        write_back_zoho_id = CASE
            WHEN held.show IS NULL OR (held.show = 'waiting' AND state.write_back_due IS NOT NULL)
                THEN state.write_back_zoho_id
            WHEN NOT about.is_deferred THEN NULL
            WHEN held.host_zoho_id IS DISTINCT FROM held.read_zoho_id THEN held.host_zoho_id
            ELSE state.write_back_zoho_id
        END
    FROM held
    CROSS JOIN LATERAL (
        SELECT
            held.entity_id IN (SELECT left_over.entity_id FROM left_over)   AS is_left_over,
            held.entity_id IN (SELECT wanting.id FROM wanting)
                AND held.entity_id NOT IN (SELECT lockable.id FROM lockable) AS is_deferred
    ) AS about
    WHERE state.entity_id = held.entity_id AND state.entity_type = held.entity_type
    RETURNING held.token, state.write_back_due
)
-- <log>
,
logged AS (
    INSERT INTO public.zoho_sync_logs (
        entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, attempt_number, error_message,
        request_payload, response_payload, duration_ms, api_calls, outbox_id, failure_class, zoho_code
    )
    SELECT
        held.entity_type,
        held.entity_id,
        held.log ->> 'zoho_entity_type',
        held.zoho_id,
        held.log ->> 'status',
        (held.log ->> 'attempt_number')::integer,
        held.error,
        held.log -> 'request_payload',
        held.log -> 'response_payload',
        (held.log ->> 'duration_ms')::integer,
        (held.log ->> 'api_calls')::integer,
        held.newest_entry,
        held.log ->> 'failure_class',
        (held.log ->> 'zoho_code')::integer
    FROM held
    WHERE jsonb_typeof(held.log) = 'object'
)
-- </log>
SELECT
    settled.token,
    settled.write_back_due IS NOT NULL AS write_back_deferred
FROM settled
