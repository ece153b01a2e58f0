-- Zoho asked for silence: all replicas and commands keep it. A longer silence that was asked for already stands.
UPDATE zoho_outbox_private.organisation AS organisation
SET
    throttled_at = CASE
        WHEN organisation.throttled_until > clock_timestamp() THEN organisation.throttled_at
        ELSE clock_timestamp()
    END,
    throttled_until = greatest(
        organisation.throttled_until,
        CASE
            WHEN %(until_tomorrow)s
                THEN least(
                    clock_timestamp() + interval '1 hour',
                    ((clock_timestamp() AT TIME ZONE %(time_zone)s)::date + 1)::timestamp AT TIME ZONE %(time_zone)s
                )
            ELSE clock_timestamp() + make_interval(secs => %(seconds)s)
        END
    ),
    throttled_why = %(why)s
FROM (SELECT earlier.* FROM zoho_outbox_private.organisation AS earlier WHERE earlier.only_row FOR UPDATE) AS earlier
WHERE organisation.only_row
RETURNING
    organisation.throttled_until,
    COALESCE(earlier.throttled_until > clock_timestamp(), false) AS was_throttled
