-- What the host's invoices and payments did not have yet in November 2025. Run after outbox/demo/host_schema.sql.
ALTER TABLE public.customer_invoices
    DROP COLUMN invoice_type,
    DROP COLUMN service_id,
    DROP COLUMN notes,
    DROP COLUMN vat_rate,
    DROP COLUMN period_start,
    DROP COLUMN period_end;

ALTER TABLE public.payment_transactions
    DROP COLUMN customer_invoice_id;
