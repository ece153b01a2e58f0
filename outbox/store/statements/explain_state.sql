-- An entity's state row, with who holds its lease. The ages are by the database's clock.
SELECT
    state.phase,
    state.urgency,
    state.due_at,
    state.attempts,
    state.born_here,
    state.zoho_id,
    state.sent_hash,
    state.sent_at,
    state.intents,
    -- <e mail addresses>
    state.intent_keys,
    -- </e mail addresses>
    state.fate_unknown_at,
    EXTRACT(EPOCH FROM clock_timestamp() - state.fate_unknown_at)::double precision AS fate_unknown_seconds,
    EXTRACT(EPOCH FROM clock_timestamp() - state.clean_look_at)::double precision   AS clean_look_seconds,
    state.host_deleted_at,
    state.waits_for_type,
    state.waits_for_id,
    state.last_error,
    state.shown_status,
    state.write_back_due,
    state.write_back_zoho_id IS NOT NULL                                            AS id_not_written,
    state.leased_at,
    state.lease_until,
    COALESCE(state.lease_until < clock_timestamp(), false)                          AS lease_expired,
    state.lease_session,
    session.kind                                                                    AS holder_kind,
    session.host                                                                    AS holder_host,
    session.pid                                                                     AS holder_pid
FROM zoho_outbox_private.entity_state AS state
LEFT JOIN zoho_outbox_private.session AS session ON session.id = state.lease_session
WHERE state.entity_id = %(entity_id)s AND state.entity_type = %(entity_type)s
