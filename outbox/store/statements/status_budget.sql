-- Requests of today by urgency, how far ahead of its time the minute's bucket is, and requests in flight.
SELECT
    today.today                                                         AS day,
    CASE WHEN budget.day = today.today THEN budget.requests ELSE 0 END  AS requests,
    COALESCE(
        (
            SELECT jsonb_object_agg(used.urgency::text, used.requests)
            FROM zoho_outbox_private.day_budget AS used
            WHERE used.day = today.today
        ),
        '{}'
    )                                                                   AS by_urgency,
    EXTRACT(EPOCH FROM greatest(budget.next_free_at, today.now) - today.now)::double precision AS seconds_ahead,
    (
        SELECT count(*)
        FROM zoho_outbox_private.request_slot AS slot
        WHERE slot.busy_until > today.now
    )                                                                   AS in_flight,
    (
        SELECT count(*)
        FROM zoho_outbox_private.token_mint AS mint
        WHERE mint.minted_at > today.now - interval '24 hours'
    )                                                                   AS tokens_minted
FROM zoho_outbox_private.request_budget AS budget
CROSS JOIN LATERAL (
    SELECT clock.now, (clock.now AT TIME ZONE %(time_zone)s)::date AS today
    FROM (SELECT clock_timestamp() AS now) AS clock
) AS today
