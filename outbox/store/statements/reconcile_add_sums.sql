-- Adds one page's sums. Amounts travel as text: a JSON number would do, and nobody has to ask.
INSERT INTO zoho_outbox_private.reconciliation_sum AS sum (
    run, month, measure, category, because, records, ours, theirs
)
SELECT %(run)s, page.month, page.measure, page.category, page.because, page.records, page.ours, page.theirs
FROM jsonb_to_recordset(%(rows)s) AS page (
    month date, measure text, category text, because text, records integer, ours numeric, theirs numeric
)
ON CONFLICT (run, month, measure, category, because) DO UPDATE
SET
    records = sum.records + EXCLUDED.records,
    ours = sum.ours + EXCLUDED.ours,
    theirs = sum.theirs + EXCLUDED.theirs
