-- A package without an sku cannot be named to Zoho; one that gets it wakes the services that wait for it.
CREATE OR REPLACE TRIGGER zoho_outbox_sku_updated AFTER UPDATE OF sku ON public.service_packages
    FOR EACH ROW WHEN (NEW.sku <> '' AND NEW.sku IS DISTINCT FROM OLD.sku)
    EXECUTE FUNCTION zoho_outbox_private.capture_published('id');
ALTER TABLE public.service_packages ENABLE ALWAYS TRIGGER zoho_outbox_sku_updated;
