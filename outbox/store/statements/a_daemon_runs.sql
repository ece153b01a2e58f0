-- Whether a daemon that sends was heard of within the last minute, however many died before it.
SELECT EXISTS (
    SELECT FROM zoho_outbox_private.session AS session
    WHERE session.kind = 'daemon'
        AND NOT session.draining
        AND session.seen_at > clock_timestamp() - interval '1 minute'
) AS runs
