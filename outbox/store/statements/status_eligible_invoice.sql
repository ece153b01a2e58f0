-- Invoices that are to be in Zoho, and those that are. What is eligible: outbox/entities/invoice.py; a test holds the two
-- equal. One that was voided counts where Zoho has it: none is created to be born void.
-- A host without invoice_type (November 2025): each one counts as recurring (decisions.md, Who bills).
SELECT
    count(*)                                                                AS eligible,
    count(*) FILTER (WHERE btrim(invoice.zoho_billing_invoice_id) <> '')    AS in_zoho
FROM public.customer_invoices AS invoice
LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
WHERE customer.account_type IS DISTINCT FROM 'internal_test'
    AND (
        %(recurring_billing)s::text = 'host'
        -- One that Zoho has from before is made void all the same.
        OR (invoice.status IN ('voided', 'cancelled') AND btrim(invoice.zoho_billing_invoice_id) <> '')
        -- <newer columns>
        OR lower(btrim(invoice.invoice_type, E' \t\n\r\f\v')) IN ('installation', 'pro_rata', 'equipment', 'adjustment')
        -- </newer columns>
    )
    AND (
        invoice.status IN ('sent', 'paid', 'partial', 'overdue')
        OR (invoice.status IN ('voided', 'cancelled') AND btrim(invoice.zoho_billing_invoice_id) <> '')
    )
