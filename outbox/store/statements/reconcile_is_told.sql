-- Whether this run has named the row already.
SELECT EXISTS (
    SELECT FROM zoho_outbox_private.reconciliation_finding AS finding
    WHERE finding.run = %(run)s
        AND finding.entity_id = %(entity_id)s
        AND finding.entity_type = %(entity_type)s
        AND finding.finding IN ('difference', 'not_compared')
) AS told
