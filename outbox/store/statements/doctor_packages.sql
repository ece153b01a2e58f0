-- The packages of services that Zoho is to bill, and what was done to publish them. For doctor.
-- What is eligible: outbox/entities/subscription.py.
SELECT
    service.package_id,
    COALESCE(NULLIF(btrim(package.name), ''), NULLIF(btrim(min(service.package_name)), ''), 'without a name') AS named,
    package.id IS NOT NULL                          AS package_exists,
    COALESCE(btrim(package.sku), '')                AS sku,
    integration.sync_status                         AS publishing,
    integration.last_sync_error                     AS publishing_error,
    count(*)                                        AS services
FROM public.customer_services AS service
JOIN public.customers AS customer ON customer.id = service.customer_id
LEFT JOIN public.service_packages AS package ON package.id = service.package_id
LEFT JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
WHERE customer.account_type <> 'internal_test'
    AND (service.status = 'active' OR (service.status = 'suspended' AND %(on_suspend)s::text = 'keep'))
GROUP BY
    service.package_id,
    package.id,
    package.name,
    package.sku,
    integration.sync_status,
    integration.last_sync_error,
    -- Services without a package have only their own names.
    CASE WHEN service.package_id IS NULL THEN service.package_name END
ORDER BY services DESC, named
