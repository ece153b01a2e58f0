-- Whose line in the log it is that something is used up (a day's share, the tokens of ten minutes): of all replicas, the
-- one that writes it here first.
UPDATE zoho_outbox_private.organisation AS organisation
SET stop_told = %(reason)s, stop_told_until = %(until)s
WHERE organisation.only_row
    AND (organisation.stop_told, organisation.stop_told_until) IS DISTINCT FROM (%(reason)s, %(until)s::timestamptz)
RETURNING organisation.only_row
