-- Both sides' sums of the newest twelve months before a month, and whether there are older ones; by the primary key.
WITH newest AS MATERIALIZED (
    SELECT
        latest.month,
        EXISTS (
            SELECT FROM zoho_outbox_private.reconciliation_sum AS one
            WHERE one.run = %(run)s AND one.month <= (latest.month - interval '12 months')::date
        ) AS older
    FROM zoho_outbox_private.reconciliation_sum AS latest
    WHERE latest.run = %(run)s AND latest.month < %(before)s
    ORDER BY latest.month DESC
    LIMIT 1
)
SELECT
    sum.month,
    sum.measure,
    sum.category,
    sum.because,
    sum.records,
    sum.ours,
    sum.theirs,
    newest.older
FROM newest
JOIN zoho_outbox_private.reconciliation_sum AS sum
    ON sum.run = %(run)s
    AND sum.month <= newest.month
    AND sum.month > (newest.month - interval '12 months')::date
ORDER BY sum.month, sum.measure, sum.category, sum.because
