-- Sets a dead or waiting entry aside.
SELECT skipped.id, skipped.entity_type, skipped.entity_id, skipped.status
FROM public.zoho_outbox_skip(%(entry_id)s, %(reason)s) AS skipped
