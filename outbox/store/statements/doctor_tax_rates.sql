-- The tax rates that invoices need which are to be sent, or were issued in the last 92 days: one row for each rate that
-- Zoho lists, and one for each set of figures whose rate it does not list or the row does not say. For doctor.
-- What is eligible: outbox/entities/invoice.py. A host of November 2025 has neither invoice_type nor vat_rate.
SELECT
    needed.vat_rate,
    count(*)                                AS invoices,
    min(needed.invoice_number)              AS example,
    min(needed.subtotal)                    AS subtotal,
    min(needed.tax_amount)                  AS tax_amount,
    min(needed.total_amount)                AS total_amount,
    max(needed.lines)                       AS lines
FROM (
    SELECT
        invoice.invoice_number,
        invoice.subtotal,
        invoice.tax_amount,
        invoice.total_amount,
        CASE WHEN jsonb_typeof(invoice.line_items) = 'array'
            THEN greatest(jsonb_array_length(invoice.line_items), 1) ELSE 1 END AS lines,
        -- <newer columns>
        invoice.vat_rate
        -- </newer columns>
        -- <no newer columns>
        NULL::numeric AS vat_rate
        -- </no newer columns>
    FROM public.customer_invoices AS invoice
    LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
    WHERE customer.account_type IS DISTINCT FROM 'internal_test'
        AND invoice.status IN ('sent', 'paid', 'partial', 'overdue')
        AND (
            COALESCE(btrim(invoice.zoho_billing_invoice_id), '') = ''
            OR invoice.invoice_date >= (clock_timestamp() - interval '92 days')::date
        )
        -- numeric(10,2) holds NaN, too, which is no rate; such a row says so itself.
        AND 'NaN' NOT IN (invoice.subtotal, invoice.total_amount, COALESCE(invoice.tax_amount, 0))
        AND (
            %(recurring_billing)s::text = 'host'
            -- <newer columns>
            OR lower(btrim(invoice.invoice_type, E' \t\n\r\f\v'))
                IN ('installation', 'pro_rata', 'equipment', 'adjustment')
            -- </newer columns>
        )
        -- <newer columns>
        AND invoice.vat_rate IS DISTINCT FROM 'NaN'
        -- </newer columns>
) AS needed
-- Where the rate is listed, the figures do not matter.
GROUP BY
    needed.vat_rate,
    CASE WHEN needed.vat_rate = ANY (%(listed)s::numeric[]) THEN NULL
        ELSE (needed.subtotal, needed.tax_amount, needed.total_amount) END
ORDER BY invoices DESC, example
LIMIT %(most)s
