-- Gives the turn back, if it is still ours.
UPDATE zoho_outbox_private.alert_turn AS turn
SET turn_token = NULL, turn_until = NULL
WHERE turn.turn_token = %(token)s
