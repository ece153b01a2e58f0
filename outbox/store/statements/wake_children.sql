-- Wakes what waits for a record that is in Zoho now. Idempotent; used three times: by the parent after its
-- settlement, by the child after it began to wait (the parent may have been settled in between), and by the sweep.
-- Always a transaction of its own after the settlement's commit: so one of the two sides sees the other.
UPDATE zoho_outbox_private.entity_state AS child
SET
    phase = 'ready',
    due_at = clock_timestamp(),
    waits_for_type = NULL,
    waits_for_id = NULL
FROM zoho_outbox_private.entity_state AS parent
WHERE child.phase = 'waiting'
    AND parent.entity_id = child.waits_for_id
    AND parent.entity_type = child.waits_for_type
    AND parent.zoho_id IS NOT NULL
    AND (%(parents)s::uuid[] IS NULL OR child.waits_for_id = ANY (%(parents)s::uuid[]))
