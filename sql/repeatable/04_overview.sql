-- zoho_outbox_overview: the backlog now, a line for each type and status that is not finished.

GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE VIEW public.zoho_outbox_overview WITH (security_invoker = true) AS
WITH open_entry AS (
    SELECT entry.entity_type, entry.status, entry.created_at, entry.next_attempt_at
    FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted
    UNION ALL
    SELECT entry.entity_type, entry.status, entry.created_at, entry.next_attempt_at
    FROM public.zoho_outbox AS entry
    WHERE entry.admitted AND entry.finished_at IS NULL
)
SELECT
    open_entry.entity_type,
    open_entry.status,
    count(*)                                                            AS entries,
    count(*) FILTER (WHERE open_entry.next_attempt_at > now())          AS between_attempts,
    min(open_entry.created_at)                                          AS oldest,
    now() - min(open_entry.created_at)                                  AS oldest_age
FROM open_entry
GROUP BY open_entry.entity_type, open_entry.status;

COMMENT ON VIEW public.zoho_outbox_overview IS 'The backlog now: unfinished entries by type and status';

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
