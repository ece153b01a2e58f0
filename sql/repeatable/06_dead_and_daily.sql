-- zoho_outbox_dead and zoho_sync_daily. Views for their readers; behind them functions, because a view that reads
-- zoho_sync_logs would stand in the way of whoever owns that table: PostgreSQL refuses to change or drop a column that
-- a view uses, and the table may have been the host's before us. The functions run as the owner and show nothing that
-- their readers, the operators, may not read themselves.

GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE FUNCTION zoho_outbox_private.cause(said text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT
        pg_catalog.regexp_replace(
            pg_catalog.regexp_replace(
                zoho_outbox_private.one_line(said), '"[^"]*"|“[^”]*”|''[^'']*''|\[[^]]*\]', '…', 'g'
            ),
            '\m(?<!code )(?<!HTTP )[^\s,;:()"]*\d[^\s,;:()"]*', '…', 'g'
        )
$function$;

COMMENT ON FUNCTION zoho_outbox_private.cause(text) IS
    'A reason without what differs from row to row: what stands in quotes and brackets, and words with a digit, but for Zoho''s code and the HTTP status';

-- The index of dead states leads here, and from each of them the index of open entries and the log's by entity: so the
-- cost is that of the dead, whatever the history.
CREATE OR REPLACE FUNCTION zoho_outbox_private.dead_by_cause()
RETURNS TABLE (
    entity_type text, cause text, dead bigint, oldest timestamptz, newest timestamptz, zoho_code integer,
    failure_class text, example_entry bigint, example_entity uuid, example text, last_error text, attempts integer,
    request_payload jsonb, response_payload jsonb, what_to_do text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
    WITH letter AS (
        SELECT state.entity_type, state.entity_id, state.due_at, zoho_outbox_private.cause(state.last_error) AS cause
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.phase = 'dead'
    ),
    cause AS (
        SELECT
            letter.entity_type,
            letter.cause,
            pg_catalog.count(*)                                                             AS dead,
            pg_catalog.min(letter.due_at)                                                   AS oldest,
            pg_catalog.max(letter.due_at)                                                   AS newest,
            (pg_catalog.array_agg(letter.entity_id ORDER BY letter.due_at DESC, letter.entity_id))[1] AS example_entity
        FROM letter
        GROUP BY letter.entity_type, letter.cause
    )
    SELECT
        cause.entity_type,
        cause.cause,
        cause.dead,
        cause.oldest,
        cause.newest,
        log.zoho_code,
        log.failure_class,
        entry.id,
        cause.example_entity,
        cause.entity_type || ' ' || COALESCE(NULLIF(host.known_as, ''), cause.example_entity::pg_catalog.text),
        state.last_error,
        state.attempts,
        log.request_payload,
        log.response_payload,
        pg_catalog.format(
            'Mend what last_error says: the edit of a row sends it again. Where the cause is gone without an edit: SELECT * FROM zoho_outbox_replay_entity(''%1$s'', ''%2$s''), or for all of the type SELECT * FROM zoho_outbox_replay_dead(''%1$s''). What is never to be sent: SELECT * FROM zoho_outbox_skip(%3$s, ''why'').',
            cause.entity_type, cause.example_entity, COALESCE(entry.id::pg_catalog.text, 'id')
        )
    FROM cause
    JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = cause.example_entity AND state.entity_type = cause.entity_type
    LEFT JOIN LATERAL (
        SELECT open.id
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = cause.example_entity
            AND open.entity_type = cause.entity_type
            AND open.admitted
            AND open.finished_at IS NULL
            AND open.status = 'dead'
        ORDER BY open.id DESC
        LIMIT 1
    ) AS entry ON true
    LEFT JOIN LATERAL (
        SELECT attempt.zoho_code, attempt.failure_class, attempt.request_payload, attempt.response_payload
        FROM public.zoho_sync_logs AS attempt
        WHERE attempt.entity_id = cause.example_entity
            AND attempt.entity_type = cause.entity_type
            AND attempt.status = 'failed'
            -- Of an earlier death with another cause nothing is shown.
            AND attempt.created_at >= state.due_at - interval '1 minute'
        ORDER BY attempt.created_at DESC
        LIMIT 1
    ) AS log ON true
    LEFT JOIN LATERAL zoho_outbox_private.host_row(cause.entity_type, cause.example_entity) AS host ON true
    ORDER BY cause.dead DESC, cause.newest DESC
$function$;

COMMENT ON FUNCTION zoho_outbox_private.dead_by_cause() IS 'Behind zoho_outbox_dead';

CREATE OR REPLACE VIEW public.zoho_outbox_dead WITH (security_invoker = true) AS
SELECT
    letters.entity_type,
    letters.cause,
    letters.dead,
    letters.oldest,
    letters.newest,
    letters.zoho_code,
    letters.failure_class,
    letters.example_entry,
    letters.example_entity,
    letters.example,
    letters.last_error,
    letters.attempts,
    letters.request_payload,
    letters.response_payload,
    letters.what_to_do
FROM zoho_outbox_private.dead_by_cause() AS letters;

COMMENT ON VIEW public.zoho_outbox_dead IS 'Dead letters by cause, the most frequent first, each with its newest example, the payload of that, and what to do';
COMMENT ON COLUMN public.zoho_outbox_dead.entity_type IS 'customer, subscription, invoice or payment';
COMMENT ON COLUMN public.zoho_outbox_dead.cause IS 'last_error without what differs from row to row';
COMMENT ON COLUMN public.zoho_outbox_dead.dead IS 'how many rows are dead of it';
COMMENT ON COLUMN public.zoho_outbox_dead.oldest IS 'when the first of them died';
COMMENT ON COLUMN public.zoho_outbox_dead.newest IS 'when the last of them died: the example''s';
COMMENT ON COLUMN public.zoho_outbox_dead.zoho_code IS 'Zoho''s own error code of the example''s last attempt; NULL: it did not come to one, or the log has no row of it';
COMMENT ON COLUMN public.zoho_outbox_dead.failure_class IS 'transient, outage, throttled, auth, ambiguous or permanent';
COMMENT ON COLUMN public.zoho_outbox_dead.example_entry IS 'id in zoho_outbox of the example: for zoho_outbox_replay and zoho_outbox_skip';
COMMENT ON COLUMN public.zoho_outbox_dead.example_entity IS 'id of the example''s host row';
COMMENT ON COLUMN public.zoho_outbox_dead.example IS 'what people call the example';
COMMENT ON COLUMN public.zoho_outbox_dead.last_error IS 'the example''s whole reason';
COMMENT ON COLUMN public.zoho_outbox_dead.attempts IS 'attempts that the example had';
COMMENT ON COLUMN public.zoho_outbox_dead.request_payload IS 'what the example''s last attempt sent, masked as OUTBOX_LOG_PAYLOADS says';
COMMENT ON COLUMN public.zoho_outbox_dead.response_payload IS 'what came back';
COMMENT ON COLUMN public.zoho_outbox_dead.what_to_do IS 'the next step';

-- Goes through the whole log, which holds OUTBOX_RETENTION_DAYS: for reports, not for a screen that is drawn every
-- second. Attempts of ours alone: a log that was there before holds other programs' too.
CREATE OR REPLACE FUNCTION zoho_outbox_private.sync_by_day()
RETURNS TABLE (
    day date, entity_type text, attempts bigint, success bigint, failed bigint, retrying bigint,
    success_percent numeric, failed_percent numeric, retrying_percent numeric, success_rate numeric,
    mean_ms numeric, p50_ms numeric, p95_ms numeric, p99_ms numeric, max_ms integer,
    peak_hour integer, peak_hour_attempts bigint, attempts_requests bigint,
    requests bigint, requests_live bigint, requests_bulk bigint, requests_retry bigint, requests_backfill bigint,
    requests_reconcile bigint, rate_limit_hits integer, day_limit integer, least_quota_left bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
    WITH zone AS (
        -- The day of the quota. Before the first request nobody knows it: there are no attempts either.
        SELECT COALESCE((SELECT single.time_zone FROM zoho_outbox_private.request_budget AS single LIMIT 1), 'UTC') AS name
    ),
    attempt AS (
        SELECT
            (log.created_at AT TIME ZONE zone.name)::pg_catalog.date                                            AS day,
            EXTRACT(HOUR FROM log.created_at AT TIME ZONE zone.name)::pg_catalog.int4                           AS hour,
            log.entity_type,
            log.status,
            log.duration_ms,
            log.api_calls
        FROM public.zoho_sync_logs AS log
        CROSS JOIN zone
        WHERE log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL
    ),
    figure AS (
        SELECT
            attempt.day,
            CASE WHEN GROUPING(attempt.entity_type) = 1 THEN 'all' ELSE attempt.entity_type END                 AS entity_type,
            pg_catalog.count(*)                                                                                 AS attempts,
            pg_catalog.count(*) FILTER (WHERE attempt.status = 'success')                                       AS success,
            pg_catalog.count(*) FILTER (WHERE attempt.status = 'failed')                                        AS failed,
            pg_catalog.count(*) FILTER (WHERE attempt.status = 'retrying')                                      AS retrying,
            pg_catalog.round(pg_catalog.avg(attempt.duration_ms), 1)                                            AS mean_ms,
            pg_catalog.percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY attempt.duration_ms)      AS at_percent,
            pg_catalog.max(attempt.duration_ms)                                                                 AS max_ms,
            COALESCE(pg_catalog.sum(attempt.api_calls), 0)                                                      AS api_calls
        FROM attempt
        GROUP BY GROUPING SETS ((attempt.day), (attempt.day, attempt.entity_type))
    ),
    peak AS (
        SELECT DISTINCT ON (by_hour.day, by_hour.entity_type)
            by_hour.day, by_hour.entity_type, by_hour.hour, by_hour.attempts
        FROM (
            SELECT
                attempt.day,
                CASE WHEN GROUPING(attempt.entity_type) = 1 THEN 'all' ELSE attempt.entity_type END             AS entity_type,
                attempt.hour,
                pg_catalog.count(*)                                                                             AS attempts
            FROM attempt
            GROUP BY GROUPING SETS ((attempt.day, attempt.hour), (attempt.day, attempt.hour, attempt.entity_type))
        ) AS by_hour
        ORDER BY by_hour.day, by_hour.entity_type, by_hour.attempts DESC, by_hour.hour
    ),
    spent AS (
        SELECT
            used.day,
            pg_catalog.sum(used.requests)                                               AS requests,
            COALESCE(pg_catalog.sum(used.requests) FILTER (WHERE used.urgency = 10), 0) AS live,
            COALESCE(pg_catalog.sum(used.requests) FILTER (WHERE used.urgency = 25), 0) AS bulk,
            COALESCE(pg_catalog.sum(used.requests) FILTER (WHERE used.urgency = 20), 0) AS retry,
            COALESCE(pg_catalog.sum(used.requests) FILTER (WHERE used.urgency = 30), 0) AS backfill,
            COALESCE(pg_catalog.sum(used.requests) FILTER (WHERE used.urgency = 40), 0) AS reconcile,
            pg_catalog.max(used.day_limit)                                              AS day_limit
        FROM zoho_outbox_private.day_budget AS used
        GROUP BY used.day
    ),
    -- A day may have requests and no attempt (a token, a list), refusals and no request that was granted, or neither.
    line AS (
        SELECT figure.day, figure.entity_type FROM figure
        UNION
        SELECT spent.day, 'all' FROM spent
        UNION
        SELECT hit.day, 'all' FROM zoho_outbox_private.rate_limit_day AS hit
    )
    SELECT
        line.day,
        line.entity_type,
        COALESCE(figure.attempts, 0),
        COALESCE(figure.success, 0),
        COALESCE(figure.failed, 0),
        COALESCE(figure.retrying, 0),
        pg_catalog.round(100.0 * figure.success / figure.attempts, 1),
        pg_catalog.round(100.0 * figure.failed / figure.attempts, 1),
        pg_catalog.round(100.0 * figure.retrying / figure.attempts, 1),
        pg_catalog.round(100.0 * figure.success / NULLIF(figure.success + figure.failed, 0), 1),
        figure.mean_ms,
        pg_catalog.round(figure.at_percent[1]::pg_catalog.numeric, 1),
        pg_catalog.round(figure.at_percent[2]::pg_catalog.numeric, 1),
        pg_catalog.round(figure.at_percent[3]::pg_catalog.numeric, 1),
        figure.max_ms,
        peak.hour,
        peak.attempts,
        COALESCE(figure.api_calls, 0),
        spent.requests,
        spent.live,
        spent.bulk,
        spent.retry,
        spent.backfill,
        spent.reconcile,
        CASE WHEN line.entity_type = 'all' THEN COALESCE(hit.hits, 0) END,
        NULLIF(spent.day_limit, 0),
        CASE WHEN spent.day_limit > 0 THEN GREATEST(spent.day_limit - spent.requests, 0) END
    FROM line
    LEFT JOIN figure ON figure.day = line.day AND figure.entity_type = line.entity_type
    LEFT JOIN peak ON peak.day = line.day AND peak.entity_type = line.entity_type
    LEFT JOIN spent ON spent.day = line.day AND line.entity_type = 'all'
    LEFT JOIN zoho_outbox_private.rate_limit_day AS hit ON hit.day = line.day AND line.entity_type = 'all'
    ORDER BY line.day DESC, line.entity_type
$function$;

COMMENT ON FUNCTION zoho_outbox_private.sync_by_day() IS 'Behind zoho_sync_daily';

CREATE OR REPLACE VIEW public.zoho_sync_daily WITH (security_invoker = true) AS
SELECT
    daily.day,
    daily.entity_type,
    daily.attempts,
    daily.success,
    daily.failed,
    daily.retrying,
    daily.success_percent,
    daily.failed_percent,
    daily.retrying_percent,
    daily.success_rate,
    daily.mean_ms,
    daily.p50_ms,
    daily.p95_ms,
    daily.p99_ms,
    daily.max_ms,
    daily.peak_hour,
    daily.peak_hour_attempts,
    daily.attempts_requests,
    daily.requests,
    daily.requests_live,
    daily.requests_bulk,
    daily.requests_retry,
    daily.requests_backfill,
    daily.requests_reconcile,
    daily.rate_limit_hits,
    daily.day_limit,
    daily.least_quota_left
FROM zoho_outbox_private.sync_by_day() AS daily;

COMMENT ON VIEW public.zoho_sync_daily IS 'What happened by day (of ZOHO_TIME_ZONE): a line for each type, and one for all of them with the requests and limits of the day';
COMMENT ON COLUMN public.zoho_sync_daily.day IS 'day in ZOHO_TIME_ZONE';
COMMENT ON COLUMN public.zoho_sync_daily.entity_type IS 'customer, subscription, invoice, payment; all: of every type together';
COMMENT ON COLUMN public.zoho_sync_daily.attempts IS 'attempts that ended on that day; a row that needed nothing has none';
COMMENT ON COLUMN public.zoho_sync_daily.success IS 'of these, ended well';
COMMENT ON COLUMN public.zoho_sync_daily.failed IS 'failed for good: the row was dead';
COMMENT ON COLUMN public.zoho_sync_daily.retrying IS 'failed, and tried again';
COMMENT ON COLUMN public.zoho_sync_daily.success_percent IS 'success of attempts';
COMMENT ON COLUMN public.zoho_sync_daily.failed_percent IS 'failed of attempts';
COMMENT ON COLUMN public.zoho_sync_daily.retrying_percent IS 'retrying of attempts';
COMMENT ON COLUMN public.zoho_sync_daily.success_rate IS 'success of success and failed: what was tried again counts when it ends. NULL: nothing ended';
COMMENT ON COLUMN public.zoho_sync_daily.mean_ms IS 'mean duration, in milliseconds';
COMMENT ON COLUMN public.zoho_sync_daily.p50_ms IS 'half were faster';
COMMENT ON COLUMN public.zoho_sync_daily.p95_ms IS '95 of 100 were faster';
COMMENT ON COLUMN public.zoho_sync_daily.p99_ms IS '99 of 100 were faster';
COMMENT ON COLUMN public.zoho_sync_daily.max_ms IS 'the slowest';
COMMENT ON COLUMN public.zoho_sync_daily.peak_hour IS 'the hour (0 to 23, ZOHO_TIME_ZONE) with the most attempts';
COMMENT ON COLUMN public.zoho_sync_daily.peak_hour_attempts IS 'and how many that were';
COMMENT ON COLUMN public.zoho_sync_daily.attempts_requests IS 'requests that these attempts made';
COMMENT ON COLUMN public.zoho_sync_daily.requests IS 'all requests of the day, lists and tokens'' look-ups included; on the line all, as what follows';
COMMENT ON COLUMN public.zoho_sync_daily.requests_live IS 'for live changes (priority 10)';
COMMENT ON COLUMN public.zoho_sync_daily.requests_bulk IS 'for one of hundreds of changes of one transaction (25)';
COMMENT ON COLUMN public.zoho_sync_daily.requests_retry IS 'for retries (20)';
COMMENT ON COLUMN public.zoho_sync_daily.requests_backfill IS 'for backfills (30)';
COMMENT ON COLUMN public.zoho_sync_daily.requests_reconcile IS 'for reconciliation (40)';
COMMENT ON COLUMN public.zoho_sync_daily.rate_limit_hits IS 'answers of Zoho that said too many requests';
COMMENT ON COLUMN public.zoho_sync_daily.day_limit IS 'ZOHO_DAILY_REQUEST_LIMIT as it was in force; NULL: none, or before it was recorded';
COMMENT ON COLUMN public.zoho_sync_daily.least_quota_left IS 'day_limit less requests: what was left when the day ended, or is left now';

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
