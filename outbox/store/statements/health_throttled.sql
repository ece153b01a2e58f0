-- How often Zoho refused because of its limits, on days (of ZOHO_TIME_ZONE) of which the last refusal is within 24
-- hours.
SELECT
    COALESCE(sum(hit.hits), 0)::bigint                          AS hits,
    max(hit.last_at)                                            AS last_at,
    (array_agg(hit.last_why ORDER BY hit.last_at DESC))[1]      AS last_why
FROM zoho_outbox_private.rate_limit_day AS hit
WHERE hit.last_at > now() - interval '24 hours'
