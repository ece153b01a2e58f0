-- Dead rows by type and cause, the most frequent first: `most` rows and `causes` causes at most, and `remembered` ids
-- of each, the longest dead first. What a cause is, is decided where zoho_outbox_dead shows the
-- same groups (zoho_outbox_private.cause); that view names one row of each, and here they are asked for.
WITH dead AS MATERIALIZED (
    SELECT
        state.entity_type,
        state.entity_id,
        state.due_at,
        COALESCE(state.last_error, 'no reason was recorded') AS reason
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'dead'
    LIMIT %(most)s
),
caused AS (
    SELECT
        dead.*,
        zoho_outbox_private.cause(dead.reason) AS cause
    FROM dead
)
SELECT
    caused.entity_type,
    caused.cause,
    left(encode(sha256(convert_to(caused.entity_type || ' ' || caused.cause, 'UTF8')), 'hex'), 16)      AS digest,
    count(*)                                                                                            AS entities,
    min(caused.due_at)                                                                                  AS since,
    (array_agg(caused.reason ORDER BY caused.due_at, caused.entity_id))[1]                              AS reason,
    (array_agg(caused.entity_id ORDER BY caused.due_at, caused.entity_id))[1:%(remembered)s]            AS entity_ids
FROM caused
GROUP BY caused.entity_type, caused.cause
ORDER BY entities DESC, since
LIMIT %(causes)s
