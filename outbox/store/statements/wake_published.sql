-- Wakes what waits for a package that is published by now. The triggers on both tables wake at once; this sees what
-- began to wait while the publishing transaction was under way.
UPDATE zoho_outbox_private.entity_state AS child
SET
    phase = 'ready',
    due_at = clock_timestamp(),
    waits_for_type = NULL,
    waits_for_id = NULL,
    waits_for_dead = false
FROM public.service_packages AS package
JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
WHERE child.phase = 'waiting'
    AND child.waits_for_type = 'package'
    AND package.id = child.waits_for_id
    AND integration.sync_status = 'ok'
    -- As outbox.entities.text.clean sees it: blanks and control characters alone are no sku.
    AND package.sku ~ '[^[:space:][:cntrl:]\u00a0\u2028\u2029]'
