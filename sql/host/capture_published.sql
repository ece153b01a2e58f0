-- Publishing a package wakes the services that wait for it.
CREATE OR REPLACE TRIGGER zoho_outbox_published_inserted AFTER INSERT ON public.product_integrations
    FOR EACH ROW WHEN (NEW.sync_status = 'ok')
    EXECUTE FUNCTION zoho_outbox_private.capture_published('service_package_id');
ALTER TABLE public.product_integrations ENABLE ALWAYS TRIGGER zoho_outbox_published_inserted;

CREATE OR REPLACE TRIGGER zoho_outbox_published_updated
    AFTER UPDATE OF sync_status, service_package_id ON public.product_integrations
    FOR EACH ROW WHEN (
        NEW.sync_status = 'ok'
        AND (OLD.sync_status, OLD.service_package_id) IS DISTINCT FROM (NEW.sync_status, NEW.service_package_id)
    )
    EXECUTE FUNCTION zoho_outbox_private.capture_published('service_package_id');
ALTER TABLE public.product_integrations ENABLE ALWAYS TRIGGER zoho_outbox_published_updated;
