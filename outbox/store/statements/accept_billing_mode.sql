-- An operator's word: from now on this is who raises recurring invoices.
UPDATE zoho_outbox_private.installation AS installation
SET recurring_billing = %(recurring_billing)s
WHERE installation.recurring_billing = %(was)s
RETURNING installation.recurring_billing
