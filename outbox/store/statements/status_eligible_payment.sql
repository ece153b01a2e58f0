-- Payments that are to be in Zoho, and those that are. What is eligible: outbox/entities/payment.py; a test holds the two
-- equal. One that was refunded counts where Zoho has it: none is created to be paid back.
-- Whose it is: its own customer's, else its invoice's. A host without customer_invoice_id has invoice_id alone.
SELECT
    count(*)                                                        AS eligible,
    count(*) FILTER (WHERE btrim(payment.zoho_payment_id) <> '')    AS in_zoho
FROM public.payment_transactions AS payment
-- <newer columns>
LEFT JOIN public.customer_invoices AS invoice ON invoice.id = COALESCE(payment.customer_invoice_id, payment.invoice_id)
-- </newer columns>
-- <no newer columns>
LEFT JOIN public.customer_invoices AS invoice ON invoice.id = payment.invoice_id
-- </no newer columns>
LEFT JOIN public.customers AS customer ON customer.id = COALESCE(payment.customer_id, invoice.customer_id)
WHERE payment.provider <> 'zoho_billing'
    AND payment.metadata ->> 'type' IS DISTINCT FROM 'payment_method_validation'
    AND NOT starts_with(payment.transaction_id, 'PM-VAL-')
    AND customer.account_type IS DISTINCT FROM 'internal_test'
    AND (
        payment.status = 'completed'
        OR (payment.status = 'refunded' AND btrim(payment.zoho_payment_id) <> '')
    )
