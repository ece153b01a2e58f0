-- Recurring invoices that the host raised in the last 35 days (decisions.md, Who bills). For doctor, while Zoho bills.
-- What counts as recurring: outbox/entities/billing.py. A host without invoice_type (November 2025): each one does.
SELECT
    count(*)                                                                                AS invoices,
    max(invoice.invoice_date)                                                               AS newest,
    (array_agg(invoice.invoice_number ORDER BY invoice.invoice_date DESC, invoice.invoice_number))[1] AS example
FROM public.customer_invoices AS invoice
LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
WHERE invoice.invoice_date >= (clock_timestamp() - interval '35 days')::date
    AND customer.account_type IS DISTINCT FROM 'internal_test'
    AND invoice.status IN ('sent', 'paid', 'partial', 'overdue')
    -- <newer columns>
    AND lower(btrim(COALESCE(invoice.invoice_type, ''), E' \t\n\r\f\v'))
        NOT IN ('installation', 'pro_rata', 'equipment', 'adjustment')
    -- </newer columns>
