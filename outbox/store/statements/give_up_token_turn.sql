-- Ends a turn without a token, and keeps everybody from asking for a while. The cooldown survives restarts.
UPDATE zoho_outbox_private.access_token AS token
SET
    turn_token = NULL,
    turn_until = NULL,
    cooldown_until = CASE WHEN %(seconds)s > 0 THEN clock_timestamp() + make_interval(secs => %(seconds)s) END,
    cooldown_why = CASE WHEN %(seconds)s > 0 THEN %(why)s END
WHERE token.only_row AND token.turn_token = %(turn_token)s
