-- Requests ended, or never left: their places are free again. A permit whose place was taken by somebody else meanwhile
-- frees nothing.
-- <one request>
UPDATE zoho_outbox_private.request_slot AS slot
SET busy_until = '-infinity', permit = NULL, session_id = NULL
WHERE slot.permit = ANY (%(permits)s::uuid[])
-- </one request>
-- <no one request>
-- None left under it (no token could be had, the lease was spent), or a second one did (a dead token was replaced): minute
-- and day get it back, or are charged for it.
WITH freed AS (
    UPDATE zoho_outbox_private.request_slot AS slot
    SET busy_until = '-infinity', permit = NULL, session_id = NULL
    WHERE slot.permit = %(permit)s
    RETURNING slot.slot
),
settled AS (
    UPDATE zoho_outbox_private.request_budget AS budget
    SET
        requests = greatest(budget.requests + %(more)s, 0),
        next_free_at = budget.next_free_at + make_interval(secs => %(seconds_apart)s * %(more)s)
    FROM freed
    WHERE budget.only_row
    RETURNING budget.day
)
UPDATE zoho_outbox_private.day_budget AS used
SET requests = greatest(used.requests + %(more)s, 0)
FROM settled
WHERE used.day = settled.day AND used.urgency = %(urgency)s
-- </no one request>
