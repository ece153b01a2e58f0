-- Customers of whom something is dead: the customer itself, a service, an invoice, a payment. Counts `most` dead rows
-- at most. Whose a payment is: its own customer's, else its invoice's. A host without customer_invoice_id has
-- invoice_id alone.
WITH dead AS MATERIALIZED (
    SELECT state.entity_type, state.entity_id
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'dead'
    LIMIT %(most)s
),
affected AS (
    SELECT dead.entity_id AS customer_id FROM dead WHERE dead.entity_type = 'customer'
    UNION
    SELECT service.customer_id
    FROM dead
    JOIN public.customer_services AS service ON service.id = dead.entity_id
    WHERE dead.entity_type = 'subscription'
    UNION
    SELECT invoice.customer_id
    FROM dead
    JOIN public.customer_invoices AS invoice ON invoice.id = dead.entity_id
    WHERE dead.entity_type = 'invoice'
    UNION
    SELECT COALESCE(payment.customer_id, invoice.customer_id)
    FROM dead
    JOIN public.payment_transactions AS payment ON payment.id = dead.entity_id
    -- <newer columns>
    LEFT JOIN public.customer_invoices AS invoice
        ON invoice.id = COALESCE(payment.customer_invoice_id, payment.invoice_id)
    -- </newer columns>
    -- <no newer columns>
    LEFT JOIN public.customer_invoices AS invoice ON invoice.id = payment.invoice_id
    -- </no newer columns>
    WHERE dead.entity_type = 'payment'
)
SELECT count(affected.customer_id) AS entities, (array_agg(affected.customer_id))[1] AS entity_id FROM affected
