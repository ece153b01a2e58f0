-- Requests of the last `days` days (of `time_zone`, today included), the day with most of them, the day on which least
-- of its limit was left, and how often Zoho refused because of its limits.
WITH by_day AS (
    SELECT used.day, sum(used.requests) AS requests, max(used.day_limit) AS day_limit
    FROM zoho_outbox_private.day_budget AS used
    WHERE used.day > (clock_timestamp() AT TIME ZONE %(time_zone)s)::date - %(days)s
    GROUP BY used.day
)
SELECT
    COALESCE(sum(by_day.requests), 0)::bigint                               AS requests,
    (array_agg(by_day.day ORDER BY by_day.requests DESC, by_day.day))[1]    AS peak_day,
    max(by_day.requests)::bigint                                            AS peak_requests,
    round(max(100.0 * by_day.requests / NULLIF(by_day.day_limit, 0)), 1)::double precision AS most_of_limit_percent,
    COALESCE(
        (
            SELECT sum(hit.hits)
            FROM zoho_outbox_private.rate_limit_day AS hit
            WHERE hit.day > (clock_timestamp() AT TIME ZONE %(time_zone)s)::date - %(days)s
        ),
        0
    )::bigint                                                               AS rate_limit_hits
FROM by_day
