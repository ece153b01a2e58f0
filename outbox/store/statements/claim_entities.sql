-- Claim, first statement: leases the most urgent entities that are due. Waits for nobody.
-- The attempt is counted here, before anything is sent, so that a row that crashes the process cannot do so for ever.
-- Each claim proves which database it is: behind one address a failover, a restore or a pooler may put another.
WITH due AS (
    -- <next>
    SELECT state.entity_type, state.entity_id
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'ready'
        AND state.urgency <= %(least_urgent)s
        -- Not ANY: without statistics the planner would gather and sort everything that is ready.
        AND array_position(%(entity_types)s::text[], state.entity_type) IS NOT NULL
    ORDER BY state.urgency, state.due_at
    LIMIT %(batch)s
    FOR UPDATE OF state SKIP LOCKED
    -- </next>
    -- <no next>
    -- One that a person asks for, whatever its phase, unless somebody sends it now.
    SELECT state.entity_type, state.entity_id
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = %(entity_id)s AND state.entity_type = %(entity_type)s AND state.phase <> 'leased'
    FOR UPDATE OF state SKIP LOCKED
    -- </no next>
)
UPDATE zoho_outbox_private.entity_state AS state
SET
    phase = 'leased',
    lease_token = gen_random_uuid(),
    lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
    lease_session = %(session)s,
    leased_at = clock_timestamp(),
    attempts = state.attempts + 1,
    -- <no next>
    urgency = least(state.urgency, 10),
    -- </no next>
    arrived_since_claim = false,
    -- Of a moment to come: the wall clock was put back since (failures.md, 21). Counted from now, which is too long by what
    -- has passed, and never too short.
    fate_unknown_at = CASE WHEN state.fate_unknown_at > clock_timestamp() THEN clock_timestamp() ELSE state.fate_unknown_at END,
    clean_look_at = CASE WHEN state.clean_look_at > clock_timestamp() THEN clock_timestamp() ELSE state.clean_look_at END,
    waits_for_type = NULL,
    waits_for_id = NULL
FROM due
CROSS JOIN (SELECT single.* FROM zoho_outbox_private.installation AS single LIMIT 1) AS installation
CROSS JOIN LATERAL (
    SELECT
        (SELECT control.system_identifier::text FROM pg_control_system() AS control) AS system_identifier,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint     AS timeline
) AS here
WHERE state.entity_id = due.entity_id AND state.entity_type = due.entity_type
RETURNING
    state.entity_type,
    state.entity_id,
    state.lease_token,
    state.attempts,
    state.urgency,
    state.born_here,
    state.zoho_id,
    state.sent_hash,
    state.intents,
    state.intent_keys,
    EXTRACT(EPOCH FROM clock_timestamp() - state.fate_unknown_at)::double precision AS fate_unknown_seconds,
    EXTRACT(EPOCH FROM clock_timestamp() - state.clean_look_at)::double precision   AS clean_look_seconds,
    state.host_deleted_at,
    state.write_back_zoho_id IS NOT NULL                                        AS id_not_written,
    state.last_error,
    state.taken_over,
    installation.look_first_since IS NOT NULL
        OR installation.timeline IS DISTINCT FROM here.timeline                 AS look_first,
    installation.system_identifier IS DISTINCT FROM here.system_identifier
        OR installation.database_name IS DISTINCT FROM current_database()       AS foreign_database
