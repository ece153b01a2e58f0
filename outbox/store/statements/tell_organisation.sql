-- Whose line in the log a change of state is: of all replicas and commands, the one that moves `told` writes it. The row is
-- locked before it is looked at, so whoever comes second finds nothing to tell. The order of the states is that of
-- read_organisation.sql.
WITH stands AS MATERIALIZED (
    SELECT
        organisation.told AS earlier,
        CASE
            WHEN organisation.paused_at IS NOT NULL THEN 'paused'
            WHEN organisation.forbidden_at IS NOT NULL THEN 'forbidden'
            WHEN organisation.throttled_until > clock_timestamp() THEN 'throttled'
            WHEN organisation.broken_at IS NOT NULL THEN 'broken'
            ELSE 'running'
        END AS state
    FROM zoho_outbox_private.organisation AS organisation
    LIMIT 1
    FOR UPDATE OF organisation
)
UPDATE zoho_outbox_private.organisation AS organisation
SET told = stands.state
FROM stands
WHERE organisation.only_row AND stands.state <> stands.earlier
RETURNING
    stands.earlier,
    stands.state,
    CASE stands.state
        WHEN 'paused' THEN organisation.paused_at
        WHEN 'forbidden' THEN organisation.forbidden_at
        WHEN 'throttled' THEN organisation.throttled_at
        WHEN 'broken' THEN organisation.broken_at
    END AS since,
    CASE stands.state
        WHEN 'forbidden' THEN organisation.probe_at
        WHEN 'throttled' THEN organisation.throttled_until
        WHEN 'broken' THEN organisation.probe_at
    END AS until,
    CASE stands.state
        WHEN 'paused'
            THEN format('paused by %s: %s', organisation.paused_by, COALESCE(organisation.paused_why, 'no reason given'))
        WHEN 'forbidden' THEN organisation.forbidden_why
        WHEN 'throttled' THEN organisation.throttled_why
        WHEN 'broken' THEN organisation.broken_why
    END AS why
