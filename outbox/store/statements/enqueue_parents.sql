-- A prerequisite that was never captured: a row from before the installation. One that came to rest without a record in
-- Zoho (a draft) is not enqueued: its next change is captured, and a child that asked again would be woken by the answer
-- and ask again, for ever. Whether an un-admitted entry of its own is on its way is not asked, that would read the whole
-- backlog: two entries are sent as one.
INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, priority)
SELECT DISTINCT wish.entity_type, wish.entity_id, 'related', 'child', wish.priority
FROM unnest(%(entity_types)s::text[], %(entity_ids)s::uuid[], %(priorities)s::smallint[])
    AS wish (entity_type, entity_id, priority)
WHERE NOT EXISTS (
    SELECT FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = wish.entity_id AND state.entity_type = wish.entity_type
)
