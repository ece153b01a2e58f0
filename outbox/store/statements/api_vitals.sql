-- Single rows that a scrape reads every few seconds: tokens minted since the installation, daemons that are alive.
SELECT
    token.generation AS tokens_minted,
    (
        SELECT count(*)
        FROM zoho_outbox_private.session AS session
        WHERE session.kind = 'daemon' AND session.seen_at > clock_timestamp() - interval '1 minute'
    )                AS daemons
FROM zoho_outbox_private.access_token AS token
