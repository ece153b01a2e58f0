-- Of those records, the ones on which something hangs that is still known to be in Zoho.
-- One that has such a child must stay known: the child is sent with its id.
SELECT DISTINCT child.parent_id
FROM (
    SELECT service.customer_id AS parent_id, service.id, 'subscription' AS entity_type
    FROM public.customer_services AS service
    WHERE service.customer_id = ANY (%(ids)s)
    UNION ALL
    SELECT invoice.customer_id, invoice.id, 'invoice'
    FROM public.customer_invoices AS invoice
    WHERE invoice.customer_id = ANY (%(ids)s)
    UNION ALL
    SELECT payment.customer_id, payment.id, 'payment'
    FROM public.payment_transactions AS payment
    WHERE payment.customer_id = ANY (%(ids)s)
    UNION ALL
    SELECT payment.invoice_id, payment.id, 'payment'
    FROM public.payment_transactions AS payment
    WHERE payment.invoice_id = ANY (%(ids)s)
    -- <newer columns>
    UNION ALL
    SELECT payment.customer_invoice_id, payment.id, 'payment'
    FROM public.payment_transactions AS payment
    WHERE payment.customer_invoice_id = ANY (%(ids)s)
    -- </newer columns>
) AS child
JOIN zoho_outbox_private.entity_state AS state
    ON state.entity_id = child.id AND state.entity_type = child.entity_type
WHERE state.zoho_id IS NOT NULL
