-- A host that wrote its vocabulary down: 'skipped' is not in it.
ALTER TABLE public.customers ADD CONSTRAINT customers_zoho_sync_status_check
    CHECK (zoho_sync_status IN ('pending', 'syncing', 'synced', 'failed', 'retrying'));
ALTER TABLE public.customer_services ADD CONSTRAINT customer_services_zoho_sync_status_check
    CHECK (zoho_sync_status IN ('pending', 'syncing', 'synced', 'failed', 'retrying'));
ALTER TABLE public.customer_invoices ADD CONSTRAINT customer_invoices_zoho_sync_status_check
    CHECK (zoho_sync_status IN ('pending', 'syncing', 'synced', 'failed', 'retrying'));
ALTER TABLE public.payment_transactions ADD CONSTRAINT payment_transactions_zoho_sync_status_check
    CHECK (zoho_sync_status IN ('pending', 'syncing', 'synced', 'failed', 'retrying'));
