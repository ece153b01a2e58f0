-- Appends entries that no trigger made: a prerequisite, a resend, a backfill. Rings the bell as a trigger would.
WITH appended AS (
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, priority, requested_by)
    SELECT wish.entity_type, wish.entity_id, %(change)s, %(origin)s, %(priority)s, %(requested_by)s
    FROM unnest(%(entity_types)s::text[], %(entity_ids)s::uuid[]) AS wish (entity_type, entity_id)
    RETURNING id, entity_id
),
rung AS (
    SELECT pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.only_row AND bell.wanted AND pg_notification_queue_usage() < 0.5
)
SELECT appended.id, appended.entity_id, (SELECT count(*) FROM rung) FROM appended
