-- Zoho asked for silence: all replicas and commands keep it. A longer silence that was asked for already stands.
-- Each refusal is counted on its day; in a table of its own, so that no permit waits for this.
WITH hit AS (
    INSERT INTO zoho_outbox_private.rate_limit_day AS day (day, hits, last_at, last_why)
    VALUES ((clock_timestamp() AT TIME ZONE %(time_zone)s)::date, 1, clock_timestamp(), %(why)s)
    ON CONFLICT (day) DO UPDATE
    SET hits = day.hits + 1, last_at = EXCLUDED.last_at, last_why = EXCLUDED.last_why
)
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
WHERE organisation.only_row
