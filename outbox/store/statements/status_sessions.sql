-- Processes that send, those that were heard of last first: a process that is started and killed all night leaves many
-- rows. One that was not heard of for a minute is shown, and is not counted as alive.
SELECT
    session.id,
    session.kind,
    session.host,
    session.pid,
    session.program_version,
    session.started_at,
    EXTRACT(EPOCH FROM clock_timestamp() - session.seen_at)::double precision AS heartbeat_seconds,
    session.seen_at > clock_timestamp() - interval '1 minute'                 AS alive,
    session.listening,
    session.draining
FROM zoho_outbox_private.session AS session
ORDER BY alive DESC, session.kind DESC, session.seen_at DESC
LIMIT 50
