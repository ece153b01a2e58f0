-- After a refusal of the credentials nobody mints for two minutes. Whoever runs doctor has perhaps mended them, so it
-- asks at once. The accounts host's own throttle stands, and so does our limit of mints in ten minutes.
UPDATE zoho_outbox_private.access_token AS token
SET cooldown_until = NULL, cooldown_why = NULL
WHERE token.only_row
    AND token.cooldown_until > clock_timestamp()
    AND (starts_with(token.cooldown_why, 'the accounts host refused:') OR starts_with(token.cooldown_why, 'the token is for '))
