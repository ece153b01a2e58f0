-- The host's recurring invoices (outbox/entities/billing.py) that were issued, and the subscription of the service that
-- each is for. For doctor --accept-billing-mode.
-- A host without invoice_type (November 2025): each one counts as recurring, and none names a service.
SELECT
    invoice.invoice_number,
    invoice.invoice_date,
    invoice.total_amount,
    invoice.customer_id,
    customer.account_number,
    invoice.invoice_date >= (clock_timestamp() - interval '35 days')::date                  AS raised_lately,
    invoice.invoice_date >= installation.installed_at::date                                 AS since_installation,
    COALESCE(state.zoho_id, NULLIF(btrim(invoice.zoho_billing_invoice_id), '')) IS NOT NULL AS in_zoho,
    -- <newer columns>
    COALESCE(subscription.zoho_id, NULLIF(btrim(service.zoho_subscription_id), ''))         AS subscription_id
    -- </newer columns>
    -- <no newer columns>
    NULL::text                                                                              AS subscription_id
    -- </no newer columns>
FROM public.customer_invoices AS invoice
CROSS JOIN zoho_outbox_private.installation AS installation
LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON state.entity_id = invoice.id AND state.entity_type = 'invoice'
-- <newer columns>
LEFT JOIN public.customer_services AS service ON service.id = invoice.service_id
LEFT JOIN zoho_outbox_private.entity_state AS subscription
    ON subscription.entity_id = invoice.service_id AND subscription.entity_type = 'subscription'
-- </newer columns>
WHERE customer.account_type IS DISTINCT FROM 'internal_test'
    AND invoice.status IN ('sent', 'paid', 'partial', 'overdue')
    -- <newer columns>
    AND lower(btrim(COALESCE(invoice.invoice_type, ''), E' \t\n\r\f\v'))
        NOT IN ('installation', 'pro_rata', 'equipment', 'adjustment')
    -- </newer columns>
ORDER BY invoice.invoice_date, invoice.invoice_number
