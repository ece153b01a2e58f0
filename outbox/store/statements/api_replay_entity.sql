-- Has one row sent again.
SELECT replayed.id, replayed.status
FROM public.zoho_outbox_replay_entity(%(entity_type)s, %(entity_id)s) AS replayed
ORDER BY replayed.id DESC
LIMIT 1
