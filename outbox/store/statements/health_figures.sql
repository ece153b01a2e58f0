-- How attempts of the last `days` days ended, by type, with durations of those that sent something: the newest `most`
-- of them, by the index on created_at. Only rows of ours: see health_attempts.sql.
-- now() and not clock_timestamp(), which is volatile and so no condition of an index: all of the log was read for a
-- week of it (20,000 pages, of a million rows).
WITH recent AS MATERIALIZED (
    SELECT
        log.entity_type,
        log.status,
        log.api_calls,
        CASE WHEN log.status = 'success' AND log.api_calls > 0 THEN log.duration_ms END AS sent_ms
    FROM public.zoho_sync_logs AS log
    WHERE log.created_at > now() - make_interval(days => %(days)s)
        AND (log.outbox_id IS NOT NULL OR log.failure_class IS NOT NULL)
    ORDER BY log.created_at DESC
    LIMIT %(most)s
)
SELECT
    recent.entity_type,
    count(*)                                                                    AS attempts,
    count(*) FILTER (WHERE recent.status = 'success')                           AS success,
    count(*) FILTER (WHERE recent.status = 'failed')                            AS failed,
    count(*) FILTER (WHERE recent.status = 'retrying')                          AS retrying,
    COALESCE(sum(recent.api_calls), 0)::bigint                                  AS api_calls,
    avg(recent.sent_ms)::double precision                                       AS mean_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY recent.sent_ms)                 AS median_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY recent.sent_ms)                AS p95_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY recent.sent_ms)                AS p99_ms,
    max(recent.sent_ms)                                                         AS longest_ms
FROM recent
GROUP BY recent.entity_type
