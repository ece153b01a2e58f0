-- Whoever calls next may go on at once.
UPDATE zoho_outbox_private.reconciliation AS run
SET going_until = '-infinity'
WHERE run.id = %(run)s AND run.going_on = %(session)s
