-- Takes over leases that were not renewed: their holder died, hung, or lost the database. Writes the log row that it
-- could not write. The attempt stays counted.
WITH expired AS MATERIALIZED (
    SELECT
        state.entity_type,
        state.entity_id,
        state.lease_session,
        state.attempts,
        state.fate_unknown_at,
        state.zoho_id,
        CASE
            WHEN state.fate_unknown_at IS NOT NULL
                THEN 'fate unknown, daemon died: a create had left; it is looked for before another one leaves'
            ELSE 'fate unknown, daemon died: sent again'
        END AS why
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'leased'
        AND (
            state.lease_until < clock_timestamp()
            -- Taken in the future, and for long: the wall clock was put back since (failures.md, 21). A holder that lives
            -- has renewed it by now. Not for its length alone: another replica's leases may be longer.
            OR (
                state.leased_at > clock_timestamp()
                AND state.lease_until > clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s)
            )
        )
    ORDER BY state.entity_id
    LIMIT %(batch)s
    FOR UPDATE OF state SKIP LOCKED
),
returned AS (
    UPDATE zoho_outbox_private.entity_state AS state
    SET
        phase = 'ready',
        due_at = clock_timestamp(),
        lease_token = NULL,
        lease_until = NULL,
        lease_session = NULL,
        leased_at = NULL,
        arrived_since_claim = false,
        -- What was last sent is in doubt: an edit that is taken back must not look unchanged.
        -- That Zoho took a refund is not: see outbox/entities/contract.py, never_twice.
        sent_hash = CASE
            WHEN state.sent_hash LIKE '%%:refunded' THEN '?:refunded'
            WHEN state.sent_hash IS NOT NULL THEN '?:?'
        END,
        last_error = expired.why,
        taken_over = true
    FROM expired
    WHERE state.entity_id = expired.entity_id AND state.entity_type = expired.entity_type
    RETURNING state.entity_type, state.entity_id
),
-- LATERAL: see stamp_entries.sql.
processing AS MATERIALIZED (
    SELECT entry.id
    FROM expired
    CROSS JOIN LATERAL (
        SELECT open.id
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = expired.entity_id
            AND open.entity_type = expired.entity_type
            AND open.admitted
            AND open.finished_at IS NULL
            AND open.status = 'processing'
        FOR UPDATE OF open SKIP LOCKED
    ) AS entry
),
put_back AS (
    UPDATE public.zoho_outbox AS entry
    SET status = 'pending', revision = entry.revision + 1
    FROM processing
    WHERE entry.id = processing.id
)
-- <log>
,
logged AS (
    INSERT INTO public.zoho_sync_logs (
        entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, attempt_number, error_message,
        api_calls, failure_class
    )
    SELECT
        expired.entity_type,
        expired.entity_id,
        CASE expired.entity_type
            WHEN 'customer' THEN 'Contacts'
            WHEN 'subscription' THEN 'Subscriptions'
            WHEN 'invoice' THEN 'Invoices'
            WHEN 'payment' THEN 'Payments'
        END,
        expired.zoho_id,
        'retrying',
        expired.attempts,
        expired.why,
        NULL,
        CASE WHEN expired.fate_unknown_at IS NOT NULL THEN 'ambiguous' ELSE 'transient' END
    FROM expired
)
-- </log>
SELECT expired.entity_type, expired.entity_id, expired.lease_session FROM expired
