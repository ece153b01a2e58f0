-- Row level security on every table of the host: whoever has neither a policy nor BYPASSRLS sees no row, without
-- an error. Customers see what is theirs; the backend (service_role) bypasses.
ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.customer_services ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.service_packages ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.product_integrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.customer_invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.payment_transactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.customer_invoice_audit ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Customers read themselves" ON public.customers
    FOR SELECT TO authenticated
    USING (auth_user_id = nullif(current_setting('request.jwt.claim.sub', true), '')::uuid);
CREATE POLICY "Customers change themselves" ON public.customers
    FOR UPDATE TO authenticated
    USING (auth_user_id = nullif(current_setting('request.jwt.claim.sub', true), '')::uuid);
CREATE POLICY "Everybody reads what is on sale" ON public.service_packages
    FOR SELECT TO anon, authenticated
    USING (active);
CREATE POLICY "Customers read their invoices" ON public.customer_invoices
    FOR SELECT TO authenticated
    USING (customer_id IN (SELECT id FROM public.customers));
CREATE POLICY "Service role does everything" ON public.payment_transactions
    TO service_role USING (true) WITH CHECK (true);
