-- What a run found, in the order of finding; a page.
SELECT
    finding.id,
    finding.entity_type,
    finding.entity_id,
    finding.zoho_id,
    finding.named,
    finding.finding,
    finding.kind,
    finding.said,
    finding.mend,
    finding.found_at,
    finding.enqueued_at
FROM zoho_outbox_private.reconciliation_finding AS finding
WHERE finding.run = %(run)s AND finding.id > %(after)s
ORDER BY finding.id
LIMIT %(batch)s
