-- What is still to be paid of invoices, as the host says: nothing of one that was ended.
SELECT
    invoice.id,
    CASE WHEN invoice.status IN ('voided', 'cancelled') THEN 0 ELSE invoice.amount_due END AS open
FROM public.customer_invoices AS invoice
WHERE invoice.id = ANY (%(ids)s)
