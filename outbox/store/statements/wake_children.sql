-- Wakes what waits for a record that is in Zoho now; what waits for one that failed since (it looks once more, and waits
-- with that said); and what waits for one that came to rest without a record since its child was claimed (an invoice that
-- was voided before it was sent: the child may do without it; due_at is when the one came to rest and when the other was
-- claimed, so it looks once for each time).
-- Idempotent; used three times: by the parent after its settlement, by the child after it began to wait (the parent may
-- have been settled in between), and by the sweep.
-- Always a transaction of its own after the settlement's commit: so one of the two sides sees the other.
-- A child that somebody holds (an operator who sets it aside, in a transaction left open) is left to the sweep.
WITH asleep AS MATERIALIZED (
    SELECT child.entity_type, child.entity_id
    FROM zoho_outbox_private.entity_state AS child
    -- LIMIT, so that each parent is looked up by its key: joined, all states were read for the few that are waited for.
    CROSS JOIN LATERAL (
        SELECT awaited.usable_id, awaited.phase, awaited.due_at
        FROM zoho_outbox_private.entity_state AS awaited
        WHERE awaited.entity_id = child.waits_for_id AND awaited.entity_type = child.waits_for_type
        LIMIT 1
    ) AS parent
    WHERE child.phase = 'waiting'
        AND (
            (parent.usable_id IS NOT NULL AND (NOT child.waits_for_rest OR parent.phase IN ('idle', 'dead')))
            OR (parent.phase = 'dead' AND NOT child.waits_for_dead)
            OR (
                parent.phase = 'idle'
                AND (
                    parent.due_at >= child.due_at
                    -- The sweep alone: a settlement stamps its moment before it commits, and clocks are put back. So
                    -- it looks a few times more, for nothing, rather than never.
                    OR (
                        %(parents)s::uuid[] IS NULL
                        AND (
                            parent.due_at >= child.due_at - interval '1 minute'
                            OR child.due_at > clock_timestamp()
                        )
                    )
                )
            )
        )
        AND (%(parents)s::uuid[] IS NULL OR child.waits_for_id = ANY (%(parents)s::uuid[]))
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
