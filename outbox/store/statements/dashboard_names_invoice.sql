-- What people call invoices: the number, and whose it is.
SELECT
    invoice.id,
    invoice.invoice_number AS title,
    COALESCE(
        NULLIF(btrim(customer.business_name), ''), btrim(concat_ws(' ', customer.first_name, customer.last_name))
    )                      AS detail
FROM public.customer_invoices AS invoice
LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
WHERE invoice.id = ANY (%(ids)s)
