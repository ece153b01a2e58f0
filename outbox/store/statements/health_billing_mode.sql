-- Who raises recurring invoices, as it was stored at the first run: that decides which rows are eligible.
SELECT installation.recurring_billing
FROM zoho_outbox_private.installation AS installation
WHERE installation.only_row
