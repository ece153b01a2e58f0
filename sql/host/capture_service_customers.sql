-- A customer's address in Zoho is that of the service that was activated last: a change of it enqueues the customer.
CREATE OR REPLACE TRIGGER zoho_outbox_customer_inserted AFTER INSERT ON public.customer_services
    REFERENCING NEW TABLE AS captured
    FOR EACH STATEMENT EXECUTE FUNCTION zoho_outbox_private.capture_service_customers();
ALTER TABLE public.customer_services ENABLE ALWAYS TRIGGER zoho_outbox_customer_inserted;

CREATE OR REPLACE TRIGGER zoho_outbox_customer_updated
    AFTER UPDATE OF installation_address, activation_date, customer_id ON public.customer_services
    FOR EACH ROW WHEN (
        (OLD.installation_address, OLD.activation_date, OLD.customer_id)
        IS DISTINCT FROM (NEW.installation_address, NEW.activation_date, NEW.customer_id)
    )
    EXECUTE FUNCTION zoho_outbox_private.capture_service_customer();
ALTER TABLE public.customer_services ENABLE ALWAYS TRIGGER zoho_outbox_customer_updated;

CREATE OR REPLACE TRIGGER zoho_outbox_customer_deleted AFTER DELETE ON public.customer_services
    REFERENCING OLD TABLE AS captured
    FOR EACH STATEMENT EXECUTE FUNCTION zoho_outbox_private.capture_service_customers();
ALTER TABLE public.customer_services ENABLE ALWAYS TRIGGER zoho_outbox_customer_deleted;
