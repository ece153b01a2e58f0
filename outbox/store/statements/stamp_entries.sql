-- Claim, second statement, in the same transaction: absorbs every open entry of the leased entities.
-- Its snapshot is younger than the lease, and admission needs the state row that the lease locks: so an entry is
-- either seen here, or admitted after the claim and then marked arrived_since_claim. One statement for both would
-- see the entries as they were before it waited for the lock.
-- LATERAL, so that each entity's entries are looked up in the index of open ones whatever the statistics say: joined,
-- and with statistics from before a bulk load, 50,000 entries were read 50,000 times (settlement of 100: 152 s).
-- An entry that an operator's open transaction holds is left: it comes back through that transaction's commit.
WITH claimed AS (
    SELECT claim.entity_type, claim.entity_id, claim.attempts
    FROM unnest(%(entity_types)s::text[], %(entity_ids)s::uuid[], %(attempts)s::integer[])
        AS claim (entity_type, entity_id, attempts)
),
absorbed AS MATERIALIZED (
    SELECT entry.id, claimed.attempts
    FROM claimed
    CROSS JOIN LATERAL (
        SELECT open.id
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = claimed.entity_id
            AND open.entity_type = claimed.entity_type
            AND open.admitted
            AND open.finished_at IS NULL
        FOR UPDATE OF open SKIP LOCKED
    ) AS entry
),
stamped AS (
    UPDATE public.zoho_outbox AS entry
    SET
        status = 'processing',
        attempts = absorbed.attempts,
        next_attempt_at = NULL,
        waiting_for = NULL,
        revision = entry.revision + 1
    FROM absorbed
    WHERE entry.id = absorbed.id
    RETURNING entry.id, entry.entity_type, entry.entity_id, entry.origin, entry.change, entry.zoho_id, entry.created_at
)
SELECT
    stamped.entity_type,
    stamped.entity_id,
    count(*)                                                                            AS entries,
    max(stamped.id)                                                                     AS newest_entry,
    min(stamped.created_at)                                                             AS oldest_change,
    bool_or(stamped.origin IN ('operator', 'reconcile') OR stamped.change = 'resend')   AS resend,
    max(stamped.zoho_id) FILTER (WHERE stamped.change IN ('deleted', 'truncated'))      AS deleted_zoho_id
FROM stamped
GROUP BY stamped.entity_type, stamped.entity_id
