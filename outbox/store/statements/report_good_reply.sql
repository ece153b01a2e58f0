-- Zoho answered well: an outage or a refusal is over. Locks and writes only where that says something new, or once a
-- minute; each attempt asks, because another replica may have reported an outage a moment ago. Who finds the row held (a
-- pause in a transaction that is left open) leaves it to the next attempt.
WITH earlier AS MATERIALIZED (
    SELECT
        organisation.broken_at,
        organisation.forbidden_at,
        COALESCE(
            organisation.forbidden_at >= clock_timestamp() - make_interval(secs => %(seconds)s), false
        ) AS forbidden_is_newer
    FROM zoho_outbox_private.organisation AS organisation
    WHERE organisation.outages_in_a_row > 0
        OR organisation.broken_at IS NOT NULL
        OR organisation.forbidden_at IS NOT NULL
        OR organisation.last_good_reply_at IS NULL
        OR organisation.last_good_reply_at < clock_timestamp() - interval '1 minute'
    LIMIT 1
    FOR UPDATE OF organisation SKIP LOCKED
)
UPDATE zoho_outbox_private.organisation AS organisation
SET
    last_good_reply_at = clock_timestamp(),
    outages_in_a_row = 0,
    recovered_at = CASE
        WHEN organisation.broken_at IS NOT NULL THEN clock_timestamp()
        ELSE organisation.recovered_at
    END,
    broken_at = NULL,
    broken_why = NULL,
    -- A reply that was under way when somebody was refused says nothing of the refusal.
    forbidden_at = CASE WHEN earlier.forbidden_is_newer THEN organisation.forbidden_at END,
    forbidden_why = CASE WHEN earlier.forbidden_is_newer THEN organisation.forbidden_why END,
    probe_at = CASE WHEN earlier.forbidden_is_newer THEN organisation.probe_at END,
    probes = CASE WHEN earlier.forbidden_is_newer THEN organisation.probes ELSE 0 END
FROM earlier
WHERE organisation.only_row
RETURNING
    earlier.broken_at IS NOT NULL       AS was_broken,
    earlier.forbidden_at IS NOT NULL AND NOT earlier.forbidden_is_newer AS was_forbidden
