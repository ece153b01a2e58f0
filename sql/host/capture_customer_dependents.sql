-- An account that stops being a test account brings all that hangs on it: its services, invoices and payments were
-- skipped until now. The function is made here, because what it reads depends on the columns that are present.
SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_dependents() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET row_security = on AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
    SELECT 'subscription', service.id, 'related'
    FROM public.customer_services AS service
    WHERE service.customer_id = NEW.id
    UNION ALL
    SELECT 'invoice', invoice.id, 'related'
    FROM public.customer_invoices AS invoice
    WHERE invoice.customer_id = NEW.id
    UNION ALL
    SELECT 'payment', payment.id, 'related'
    FROM public.payment_transactions AS payment
    WHERE payment.customer_id = NEW.id
        OR payment.customer_id IS NULL
        AND {payment_invoice} IN (
            SELECT invoice.id FROM public.customer_invoices AS invoice WHERE invoice.customer_id = NEW.id
        );

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_dependents() IS
    'AFTER UPDATE OF account_type on customers FOR EACH ROW, when a test account becomes a real one';

RESET ROLE;

CREATE OR REPLACE TRIGGER zoho_outbox_became_real AFTER UPDATE OF account_type ON public.customers
    FOR EACH ROW WHEN (OLD.account_type = 'internal_test' AND NEW.account_type <> 'internal_test')
    EXECUTE FUNCTION zoho_outbox_private.capture_dependents();
ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_became_real;
