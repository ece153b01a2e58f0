-- What a run found, sorted by kind: the first `shown` of each kind, and how many are alike. Up to `most` of each type
-- are sorted, by the index (run, entity_type, id): a flood of one type hides no other.
WITH found AS MATERIALIZED (
    SELECT one.id, one.finding, one.kind
    FROM unnest(%(types)s::text[]) AS part (entity_type)
    CROSS JOIN LATERAL (
        SELECT finding.id, finding.finding, finding.kind
        FROM zoho_outbox_private.reconciliation_finding AS finding
        WHERE finding.run = %(run)s AND finding.entity_type = part.entity_type
        ORDER BY finding.id
        LIMIT %(most)s
    ) AS one
),
sorted AS (
    SELECT
        found.id,
        count(*) OVER (PARTITION BY found.finding, found.kind)                        AS alike,
        row_number() OVER (PARTITION BY found.finding, found.kind ORDER BY found.id)  AS place
    FROM found
)
SELECT
    finding.id,
    finding.entity_type,
    finding.entity_id,
    finding.zoho_id,
    finding.named,
    finding.finding,
    finding.kind,
    left(finding.said, 600) AS said,
    finding.mend,
    finding.found_at,
    finding.enqueued_at,
    sorted.alike
FROM sorted
-- By its key, one at a time: statistics of a table that was empty yesterday suggest reading it from end to end.
CROSS JOIN LATERAL (
    SELECT one.* FROM zoho_outbox_private.reconciliation_finding AS one WHERE one.id = sorted.id LIMIT 1
) AS finding
WHERE sorted.place <= %(shown)s
ORDER BY finding.id
