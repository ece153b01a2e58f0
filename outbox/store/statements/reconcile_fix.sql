-- Has rows sent again whose sending mends the difference, once per run; a page. Rings the bell as a trigger would.
WITH wanted AS (
    SELECT finding.id, finding.entity_type, finding.entity_id
    FROM zoho_outbox_private.reconciliation_finding AS finding
    WHERE finding.run = %(run)s
        AND finding.finding = 'difference'
        AND finding.mend = 'enqueue'
        AND finding.enqueued_at IS NULL
        AND finding.entity_id IS NOT NULL
    ORDER BY finding.id
    LIMIT %(batch)s
    FOR UPDATE
),
appended AS (
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, priority, requested_by)
    SELECT DISTINCT wanted.entity_type, wanted.entity_id, 'requested', 'reconcile', %(priority)s::smallint, session_user
    FROM wanted
),
marked AS (
    UPDATE zoho_outbox_private.reconciliation_finding AS finding
    SET enqueued_at = clock_timestamp()
    FROM wanted
    WHERE finding.id = wanted.id
    RETURNING finding.id
),
rung AS (
    SELECT pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.only_row AND bell.wanted AND pg_notification_queue_usage() < 0.5
)
SELECT count(*) AS enqueued, (SELECT count(*) FROM rung) AS rung FROM marked
