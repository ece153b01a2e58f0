-- What crashes of the first integration left: rows 'syncing' and 'retrying' for ever, beside finished ones.
UPDATE public.customers SET zoho_sync_status = 'syncing'
    WHERE id = '00000000-0000-4000-8000-0000000c0001';
UPDATE public.customers SET zoho_sync_status = 'retrying', zoho_last_sync_error = 'Too many requests'
    WHERE id = '00000000-0000-4000-8000-0000000c0002';
UPDATE public.customers SET zoho_sync_status = 'synced', zoho_billing_customer_id = '4600000000012003',
        zoho_last_synced_at = '2025-11-20 08:00+02'
    WHERE id = '00000000-0000-4000-8000-0000000c0003';
UPDATE public.customers SET zoho_sync_status = 'failed', zoho_last_sync_error = 'Email is mandatory'
    WHERE id = '00000000-0000-4000-8000-0000000c0004';
UPDATE public.customer_services SET zoho_sync_status = 'syncing'
    WHERE id = '00000000-0000-4000-8000-0000000a0001';
UPDATE public.customer_services SET zoho_sync_status = 'retrying'
    WHERE id = '00000000-0000-4000-8000-0000000a0002';
UPDATE public.customer_invoices SET zoho_sync_status = 'syncing'
    WHERE id = '00000000-0000-4000-8000-0000000d0001';
UPDATE public.customer_invoices SET zoho_sync_status = 'retrying'
    WHERE id = '00000000-0000-4000-8000-0000000d0002';
UPDATE public.payment_transactions SET zoho_sync_status = 'syncing'
    WHERE id = '00000000-0000-4000-8000-0000000b0001';
UPDATE public.payment_transactions SET zoho_sync_status = 'retrying'
    WHERE id = '00000000-0000-4000-8000-0000000b0002';
