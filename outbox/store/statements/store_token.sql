-- Stores what was minted. Only who holds the turn may; a late one is dropped, its token is not the newest.
UPDATE zoho_outbox_private.access_token AS token
SET
    generation = token.generation + 1,
    secret = %(secret)s,
    expires_at = clock_timestamp() + make_interval(secs => %(lifetime_seconds)s),
    turn_token = NULL,
    turn_until = NULL,
    cooldown_until = NULL,
    cooldown_why = NULL
WHERE token.only_row AND token.turn_token = %(turn_token)s
RETURNING token.generation
