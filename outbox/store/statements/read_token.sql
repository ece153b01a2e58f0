-- The one access token of all replicas and commands.
SELECT
    token.generation,
    token.secret,
    EXTRACT(EPOCH FROM token.expires_at - clock_timestamp())::double precision AS seconds_left
FROM zoho_outbox_private.access_token AS token
WHERE token.only_row AND token.secret IS NOT NULL
