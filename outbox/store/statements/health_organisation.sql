-- What stops sending, each reason by itself: a pause must not hide that the credentials were refused meanwhile.
SELECT
    clock_timestamp()                               AS now,
    organisation.paused_at,
    organisation.paused_by,
    organisation.paused_why,
    organisation.throttled_at,
    organisation.throttled_until,
    organisation.throttled_why,
    organisation.forbidden_at,
    organisation.forbidden_why,
    organisation.broken_at,
    organisation.broken_why,
    organisation.last_good_reply_at
FROM zoho_outbox_private.organisation AS organisation
WHERE organisation.only_row
