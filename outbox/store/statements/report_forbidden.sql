-- A person must act: nothing is sent but a probe every quarter of an hour. Whoever took a probe has set the next one already
-- (take_permit.sql): a refusal that was on its way meanwhile does not push it further.
UPDATE zoho_outbox_private.organisation AS organisation
SET
    forbidden_at = COALESCE(organisation.forbidden_at, clock_timestamp()),
    forbidden_why = %(why)s,
    probe_at = CASE
        WHEN organisation.forbidden_at IS NULL THEN clock_timestamp() + interval '15 minutes'
        ELSE organisation.probe_at
    END
WHERE organisation.only_row
