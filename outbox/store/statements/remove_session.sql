-- A process that ended says goodbye; those that did not are forgotten a day later.
DELETE FROM zoho_outbox_private.session AS session
WHERE session.id = %(id)s OR session.seen_at < clock_timestamp() - interval '1 day'
