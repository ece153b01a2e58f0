-- Permission for requests of one urgency, for all replicas and commands at once: the organisation runs, the day has room
-- for this urgency, the minute's bucket has a token, a place among the requests in flight is free. A request has all of
-- these or none. permits names the requests; as many of them are granted, from the first, as there is room for.
-- LIMIT 1 on tables of one row: without it, and without statistics, the planner expects hundreds of rows of each,
-- multiplies them, and compiles this statement for half a second (JIT; measured 498 ms, 0.5 ms with it).
-- The budget row is locked by lock_budget.sql before, so each asker sees what the one before it took.
WITH budget AS MATERIALIZED (
    SELECT
        budget.next_free_at,
        budget.day,
        budget.requests,
        budget.wanted_urgency,
        budget.wanted_until,
        budget.wanted_by
    FROM zoho_outbox_private.request_budget AS budget
    LIMIT 1
    FOR UPDATE OF budget
),
clock AS MATERIALIZED (
    -- After the lock: waiting for it takes time.
    SELECT
        now.now,
        -- Further ahead than permits can have put it: the wall clock was put back since (failures.md, 21), and nobody would
        -- send until it has caught up. One token then, and the rate from there.
        CASE
            WHEN budget.next_free_at > now.now + make_interval(secs => %(seconds_apart)s * (%(burst)s + %(max_concurrency)s))
                THEN now.now + make_interval(secs => %(seconds_apart)s * (%(burst)s - 1))
            ELSE budget.next_free_at
        END                                                                     AS next_free_at,
        today.today,
        CASE WHEN budget.day = today.today THEN budget.requests ELSE 0 END      AS requests,
        -- Of the same process the most urgent asks first: who was cancelled there must not stand in its own way.
        COALESCE(
            budget.wanted_urgency < %(urgency)s
                AND budget.wanted_until > now.now
                -- Later than anybody can have meant: put back, as above.
                AND budget.wanted_until
                    <= now.now + make_interval(secs => 1 + %(seconds_apart)s * (%(burst)s + %(max_concurrency)s))
                AND budget.wanted_by <> %(session)s,
            false
        )                                                                       AS outranked,
        -- Somebody equally urgent has said already that it waits: written anew only where that is about to lapse.
        COALESCE(
            budget.wanted_urgency <= %(urgency)s
                AND budget.wanted_until > now.now + interval '500 milliseconds'
                AND budget.wanted_until
                    <= now.now + make_interval(secs => 1 + %(seconds_apart)s * (%(burst)s + %(max_concurrency)s)),
            false
        )                                                                       AS is_known_to_wait,
        ((today.today + 1)::timestamp AT TIME ZONE %(time_zone)s)               AS day_ends_at
    FROM budget
    CROSS JOIN LATERAL (SELECT clock_timestamp() AS now) AS now
    CROSS JOIN LATERAL (SELECT (now.now AT TIME ZONE %(time_zone)s)::date AS today) AS here
    -- A day that has begun for a replica in another time zone, or before the clock was put back over midnight, goes on:
    -- begun anew with each asker, its limit would hold nobody.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN budget.day = here.today + 1 THEN budget.day ELSE here.today END AS today
    ) AS today
),
gate AS MATERIALIZED (
    SELECT
        clock.now,
        clock.next_free_at,
        clock.outranked,
        clock.is_known_to_wait,
        CASE
            WHEN organisation.paused_at IS NOT NULL THEN 'paused'
            WHEN organisation.forbidden_at IS NOT NULL AND organisation.probe_at > clock.now THEN 'forbidden'
            WHEN organisation.throttled_until > clock.now THEN 'throttled'
            WHEN organisation.broken_at IS NOT NULL AND organisation.probe_at > clock.now THEN 'broken'
            WHEN %(day_limit)s > 0 AND clock.requests >= %(day_limit)s THEN 'day'
            WHEN %(day_limit)s > 0
                AND NOT %(may_use_reserve)s
                AND clock.requests >= floor(%(day_limit)s * (100 - %(reserve_percent)s) / 100.0)
                THEN 'reserve'
        END AS stopped,
        CASE
            WHEN organisation.paused_at IS NOT NULL THEN NULL
            WHEN organisation.forbidden_at IS NOT NULL THEN organisation.probe_at
            WHEN organisation.throttled_until > clock.now THEN organisation.throttled_until
            WHEN organisation.broken_at IS NOT NULL AND organisation.probe_at > clock.now THEN organisation.probe_at
            ELSE clock.day_ends_at
        END AS stopped_until,
        CASE
            WHEN organisation.paused_at IS NOT NULL
                THEN format('paused by %%s: %%s', organisation.paused_by, COALESCE(organisation.paused_why, 'no reason given'))
            WHEN organisation.forbidden_at IS NOT NULL THEN organisation.forbidden_why
            WHEN organisation.throttled_until > clock.now THEN organisation.throttled_why
            WHEN organisation.broken_at IS NOT NULL THEN organisation.broken_why
        END AS stopped_why,
        organisation.forbidden_at IS NOT NULL OR organisation.broken_at IS NOT NULL AS probing,
        clock.today,
        clock.requests,
        -- GCRA: the bucket holds `burst` tokens; a request may be ahead of its theoretical time by burst - 1 of them.
        CASE
            WHEN %(seconds_apart)s <= 0 THEN cardinality(%(permits)s::uuid[])
            WHEN clock.next_free_at > clock.now + make_interval(secs => %(seconds_apart)s * (%(burst)s - 1)) THEN 0
            -- One at least, it says above: a quotient of what was rounded to microseconds may lie below a whole number.
            ELSE greatest(
                1,
                1 + floor(
                    EXTRACT(EPOCH FROM clock.now - greatest(clock.next_free_at, clock.now)) / nullif(%(seconds_apart)s, 0)
                        + (%(burst)s - 1)
                )::integer
            )
        END AS tokens,
        -- Of the day, for this urgency.
        CASE
            WHEN %(day_limit)s <= 0 THEN cardinality(%(permits)s::uuid[])
            WHEN %(may_use_reserve)s THEN %(day_limit)s - clock.requests
            ELSE floor(%(day_limit)s * (100 - %(reserve_percent)s) / 100.0)::integer - clock.requests
        END AS room,
        -- After an outage: one at a time, one more every five seconds.
        CASE
            WHEN organisation.recovered_at IS NULL THEN %(max_concurrency)s
            ELSE least(
                %(max_concurrency)s,
                -- Never none: the clock may have been put back since.
                greatest(1, 1 + floor(EXTRACT(EPOCH FROM clock.now - organisation.recovered_at) / 5)::integer)
            )
        END AS places
    FROM clock
    CROSS JOIN (SELECT single.* FROM zoho_outbox_private.organisation AS single LIMIT 1) AS organisation
),
slot AS MATERIALIZED (
    SELECT slot.slot
    FROM zoho_outbox_private.request_slot AS slot
    CROSS JOIN gate
    WHERE gate.stopped IS NULL
        -- Between processes the more urgent goes first, too.
        AND NOT gate.outranked
        AND slot.slot <= gate.places
        AND slot.busy_until <= gate.now
    ORDER BY slot.slot
    LIMIT (
        SELECT CASE WHEN gate.probing THEN least(1, room.room) ELSE room.room END
        FROM gate
        CROSS JOIN LATERAL (
            SELECT greatest(0, least(cardinality(%(permits)s::uuid[]), gate.tokens, gate.room)) AS room
        ) AS room
    )
    FOR UPDATE OF slot
),
numbered AS (
    SELECT slot.slot, row_number() OVER (ORDER BY slot.slot) AS number FROM slot
),
taken AS (
    UPDATE zoho_outbox_private.request_slot AS slot
    SET
        permit = (%(permits)s::uuid[])[free.number],
        session_id = %(session)s,
        busy_until = clock_timestamp() + make_interval(secs => %(hold_seconds)s)
    FROM numbered AS free
    WHERE slot.slot = free.slot
    RETURNING slot.slot
),
granted AS MATERIALIZED (
    SELECT count(*)::integer AS permits FROM taken
),
spent AS (
    UPDATE zoho_outbox_private.request_budget AS budget
    SET
        next_free_at = greatest(gate.next_free_at, gate.now)
            + make_interval(secs => %(seconds_apart)s * granted.permits),
        day = gate.today,
        requests = gate.requests + granted.permits,
        -- For readers: zoho_explain, zoho_sync_daily.
        time_zone = %(time_zone)s,
        day_limit = %(day_limit)s,
        reserve_percent = %(reserve_percent)s,
        wanted_urgency = CASE WHEN budget.wanted_by <> %(session)s THEN budget.wanted_urgency END,
        wanted_until = CASE WHEN budget.wanted_by <> %(session)s THEN budget.wanted_until END,
        wanted_by = CASE WHEN budget.wanted_by <> %(session)s THEN budget.wanted_by END
    FROM gate
    CROSS JOIN granted
    WHERE budget.only_row AND granted.permits > 0
),
waiting AS (
    -- Refused for want of a token or a place: the less urgent of other processes step back until this one has asked
    -- again. A second more than that takes; if it died meanwhile, the bucket keeps the tokens of that second.
    UPDATE zoho_outbox_private.request_budget AS budget
    SET
        wanted_urgency = %(urgency)s,
        wanted_until = greatest(gate.next_free_at - make_interval(secs => %(seconds_apart)s * (%(burst)s - 1)), gate.now)
            + interval '1 second',
        wanted_by = %(session)s
    FROM gate
    CROSS JOIN granted
    WHERE budget.only_row
        AND gate.stopped IS NULL
        AND NOT gate.outranked
        AND NOT gate.is_known_to_wait
        AND granted.permits = 0
),
counted AS (
    INSERT INTO zoho_outbox_private.day_budget AS used (day, urgency, requests, day_limit)
    SELECT gate.today, %(urgency)s, granted.permits, %(day_limit)s
    FROM gate
    CROSS JOIN granted
    WHERE granted.permits > 0
    ON CONFLICT (day, urgency) DO UPDATE
    SET requests = used.requests + EXCLUDED.requests, day_limit = EXCLUDED.day_limit
),
probed AS (
    -- A single probe: whoever gets the permit pushes the next one away. In an outage the pause doubles up to 5 minutes;
    -- where a person must act it is 15 minutes, because each costs a token.
    UPDATE zoho_outbox_private.organisation AS organisation
    SET
        probes = organisation.probes + 1,
        probe_at = gate.now + CASE
            WHEN organisation.forbidden_at IS NOT NULL THEN interval '15 minutes'
            ELSE make_interval(secs => least(300, 5 * 2 ^ least(organisation.probes + 1, 6)))
        END
    FROM gate
    CROSS JOIN granted
    WHERE organisation.only_row AND gate.probing AND granted.permits > 0
    RETURNING organisation.probes
)
-- spent, waiting and counted are written all the same: nobody asks what they did.
SELECT
    (SELECT granted.permits FROM granted)                                   AS granted,
    gate.stopped,
    gate.stopped_until,
    gate.stopped_why,
    (SELECT count(*) FROM probed)                                           AS probed,
    greatest(
        0,
        EXTRACT(EPOCH FROM greatest(gate.next_free_at, gate.now) - gate.now) - %(seconds_apart)s * (%(burst)s - 1)
    )::double precision                                                     AS seconds_to_token
FROM gate
