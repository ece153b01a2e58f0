-- Both sides' sums of a run.
SELECT sum.month, sum.measure, sum.category, sum.because, sum.records, sum.ours, sum.theirs
FROM zoho_outbox_private.reconciliation_sum AS sum
WHERE sum.run = %(run)s
ORDER BY sum.month, sum.measure, sum.category, sum.because
