-- Those of the rows whose money was found otherwise in this run: what is applied to them is looked at whole.
SELECT DISTINCT finding.entity_id
FROM zoho_outbox_private.reconciliation_finding AS finding
WHERE finding.run = %(run)s
    AND finding.kind = 'paid_here_open_there'
    AND finding.entity_id = ANY (%(ids)s)
