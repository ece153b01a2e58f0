-- Wakes what waits for a record that is in Zoho now. Idempotent; used three times: by the parent after its
-- settlement, by the child after it began to wait (the parent may have been settled in between), and by the sweep.
-- Always a transaction of its own after the settlement's commit: so one of the two sides sees the other.
-- A child that somebody holds (an operator who sets it aside, in a transaction left open) is left to the sweep.
WITH asleep AS MATERIALIZED (
    SELECT child.entity_type, child.entity_id
    FROM zoho_outbox_private.entity_state AS child
    JOIN zoho_outbox_private.entity_state AS parent
        ON parent.entity_id = child.waits_for_id
        AND parent.entity_type = child.waits_for_type
    WHERE child.phase = 'waiting'
        AND parent.zoho_id IS NOT NULL
        AND (%(parents)s::uuid[] IS NULL OR child.waits_for_id = ANY (%(parents)s::uuid[]))
    FOR UPDATE OF child SKIP LOCKED
)
UPDATE zoho_outbox_private.entity_state AS child
SET
    phase = 'ready',
    due_at = clock_timestamp(),
    waits_for_type = NULL,
    waits_for_id = NULL
FROM asleep
WHERE child.entity_id = asleep.entity_id AND child.entity_type = asleep.entity_type
