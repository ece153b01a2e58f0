-- Wakes what waits for a package that is published by now. The triggers on both tables wake at once; this sees what
-- began to wait while the publishing transaction was under way.
-- A child that somebody holds (an operator who sets it aside, in a transaction left open) is left to the next sweep.
WITH asleep AS MATERIALIZED (
    SELECT child.entity_type, child.entity_id
    FROM zoho_outbox_private.entity_state AS child
    JOIN public.service_packages AS package ON package.id = child.waits_for_id
    JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
    WHERE child.phase = 'waiting'
        AND child.waits_for_type = 'package'
        AND integration.sync_status = 'ok'
        -- As outbox.entities.text.clean sees it: blanks and control characters alone are no sku.
        AND package.sku ~ '[^[:space:][:cntrl:]\u00a0\u2028\u2029]'
    FOR UPDATE OF child SKIP LOCKED
)
UPDATE zoho_outbox_private.entity_state AS child
SET
    phase = 'ready',
    due_at = clock_timestamp(),
    waits_for_type = NULL,
    waits_for_id = NULL,
    waits_for_dead = false
FROM asleep
WHERE child.entity_id = asleep.entity_id AND child.entity_type = asleep.entity_type
