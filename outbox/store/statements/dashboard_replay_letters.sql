-- Replays entries as zoho_outbox_replay does for one, those of them that are dead still. Who asks: zoho_outbox.operator
-- of this transaction.
WITH dead AS MATERIALIZED (
    SELECT entry.id
    FROM public.zoho_outbox AS entry
    WHERE entry.id = ANY (%(ids)s::bigint[]) AND entry.status = 'dead'
)
SELECT replayed.id, replayed.entity_type, replayed.entity_id, replayed.status
FROM dead
CROSS JOIN LATERAL public.zoho_outbox_replay(dead.id) AS replayed
