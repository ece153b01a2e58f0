-- What sending as a whole may do now, in the order in which reasons outrank each other.
SELECT
    CASE
        WHEN organisation.paused_at IS NOT NULL THEN 'paused'
        WHEN organisation.forbidden_at IS NOT NULL THEN 'forbidden'
        WHEN organisation.throttled_until > clock_timestamp() THEN 'throttled'
        WHEN organisation.broken_at IS NOT NULL THEN 'broken'
        ELSE 'running'
    END AS state,
    CASE
        WHEN organisation.paused_at IS NOT NULL THEN organisation.paused_at
        WHEN organisation.forbidden_at IS NOT NULL THEN organisation.forbidden_at
        WHEN organisation.throttled_until > clock_timestamp() THEN organisation.throttled_at
        WHEN organisation.broken_at IS NOT NULL THEN organisation.broken_at
        ELSE organisation.recovered_at
    END AS since,
    CASE
        WHEN organisation.paused_at IS NOT NULL THEN NULL
        WHEN organisation.forbidden_at IS NOT NULL THEN organisation.probe_at
        WHEN organisation.throttled_until > clock_timestamp() THEN organisation.throttled_until
        WHEN organisation.broken_at IS NOT NULL THEN organisation.probe_at
    END AS until,
    CASE
        WHEN organisation.paused_at IS NOT NULL
            THEN format('paused by %s: %s', organisation.paused_by, COALESCE(organisation.paused_why, 'no reason given'))
        WHEN organisation.forbidden_at IS NOT NULL THEN organisation.forbidden_why
        WHEN organisation.throttled_until > clock_timestamp() THEN organisation.throttled_why
        WHEN organisation.broken_at IS NOT NULL THEN organisation.broken_why
    END AS why,
    COALESCE(
        (organisation.forbidden_at IS NOT NULL OR organisation.broken_at IS NOT NULL)
            AND organisation.probe_at <= clock_timestamp()
            AND organisation.paused_at IS NULL
            AND NOT COALESCE(organisation.throttled_until > clock_timestamp(), false),
        false
    ) AS probe_due,
    organisation.last_good_reply_at,
    organisation.told,
    COALESCE(organisation.stop_told_until <= clock_timestamp(), false) AS stop_is_over
FROM zoho_outbox_private.organisation AS organisation
WHERE organisation.only_row
