-- Takes the turn to tell, unless somebody has it: two at once would tell everything twice.
UPDATE zoho_outbox_private.alert_turn AS turn
SET turn_token = %(token)s, turn_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE turn.only_row AND (turn.turn_until IS NULL OR turn.turn_until < clock_timestamp())
RETURNING turn.turn_token
