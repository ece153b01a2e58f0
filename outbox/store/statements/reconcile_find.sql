-- Findings of one page.
INSERT INTO zoho_outbox_private.reconciliation_finding (
    run, entity_type, entity_id, zoho_id, named, finding, kind, said, mend
)
SELECT
    %(run)s, %(entity_type)s, page.entity_id, page.zoho_id, page.named, page.finding, page.kind, page.said, page.mend
FROM jsonb_to_recordset(%(rows)s) AS page (
    entity_id uuid, zoho_id text, named text, finding text, kind text, said text, mend text
)
