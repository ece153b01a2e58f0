-- The columns that the first integration had added already, with the default it gave them and no CHECK.
ALTER TABLE public.customers
    ADD COLUMN zoho_billing_customer_id text,
    ADD COLUMN zoho_sync_status text DEFAULT 'pending',
    ADD COLUMN zoho_last_synced_at timestamptz,
    ADD COLUMN zoho_last_sync_error text;
ALTER TABLE public.customer_services
    ADD COLUMN zoho_subscription_id text,
    ADD COLUMN zoho_sync_status text DEFAULT 'pending',
    ADD COLUMN zoho_last_synced_at timestamptz,
    ADD COLUMN zoho_last_sync_error text;
ALTER TABLE public.customer_invoices
    ADD COLUMN zoho_billing_invoice_id text,
    ADD COLUMN zoho_sync_status text DEFAULT 'pending',
    ADD COLUMN zoho_last_synced_at timestamptz,
    ADD COLUMN zoho_last_sync_error text;
ALTER TABLE public.payment_transactions
    ADD COLUMN zoho_payment_id text,
    ADD COLUMN zoho_sync_status text DEFAULT 'pending',
    ADD COLUMN zoho_last_synced_at timestamptz,
    ADD COLUMN zoho_last_sync_error text;
