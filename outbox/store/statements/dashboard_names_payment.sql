-- What people call payments: the transaction, how much, and whose it is: its own customer's, else its invoice's. A host
-- without customer_invoice_id has invoice_id alone.
SELECT
    payment.id,
    payment.transaction_id AS title,
    concat_ws(
        ', ',
        concat_ws(' ', payment.currency, payment.amount),
        COALESCE(
            NULLIF(btrim(customer.business_name), ''),
            NULLIF(btrim(concat_ws(' ', customer.first_name, customer.last_name)), '')
        )
    )                      AS detail
FROM public.payment_transactions AS payment
-- <newer columns>
LEFT JOIN public.customer_invoices AS invoice ON invoice.id = COALESCE(payment.customer_invoice_id, payment.invoice_id)
-- </newer columns>
-- <no newer columns>
LEFT JOIN public.customer_invoices AS invoice ON invoice.id = payment.invoice_id
-- </no newer columns>
LEFT JOIN public.customers AS customer ON customer.id = COALESCE(payment.customer_id, invoice.customer_id)
WHERE payment.id = ANY (%(ids)s)
