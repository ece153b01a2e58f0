-- Who sends what now, longest first.
SELECT
    state.entity_type,
    state.entity_id,
    state.lease_session                                                       AS session,
    session.host,
    session.pid,
    EXTRACT(EPOCH FROM clock_timestamp() - state.leased_at)::double precision AS held_seconds,
    state.lease_until < clock_timestamp()                                     AS expired
FROM zoho_outbox_private.entity_state AS state
LEFT JOIN zoho_outbox_private.session AS session ON session.id = state.lease_session
WHERE state.phase = 'leased'
ORDER BY state.leased_at
LIMIT 50
