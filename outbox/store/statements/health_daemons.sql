-- Daemons, and how long ago each was heard of.
SELECT
    session.host,
    session.pid,
    session.draining,
    EXTRACT(EPOCH FROM clock_timestamp() - session.seen_at)::double precision AS silent_seconds
FROM zoho_outbox_private.session AS session
WHERE session.kind = 'daemon'
ORDER BY session.seen_at DESC
LIMIT 50
