-- What the same rows say in the columns that came after November 2025.
UPDATE public.customer_invoices
    SET invoice_type = 'recurring', service_id = '00000000-0000-4000-8000-0000000a0001',
        period_start = invoice_date, period_end = (invoice_date + interval '1 month - 1 day')::date
    WHERE id IN ('00000000-0000-4000-8000-0000000d0001', '00000000-0000-4000-8000-0000000d0004');
UPDATE public.customer_invoices
    SET invoice_type = 'installation', service_id = '00000000-0000-4000-8000-0000000a0002',
        notes = 'Agreed by telephone'
    WHERE id = '00000000-0000-4000-8000-0000000d0002';
UPDATE public.customer_invoices
    SET invoice_type = NULL
    WHERE id = '00000000-0000-4000-8000-0000000d0003';
