-- What whoever asked for permission last had as ZOHO_TIME_ZONE and ZOHO_DAILY_REQUEST_LIMIT. For doctor.
-- By way of jsonb: a database that migrate has not brought up to date has no such columns yet.
SELECT
    to_jsonb(budget) ->> 'time_zone'                AS time_zone,
    (to_jsonb(budget) ->> 'day_limit')::integer     AS day_limit
FROM zoho_outbox_private.request_budget AS budget
