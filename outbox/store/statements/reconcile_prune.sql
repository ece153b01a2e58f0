-- Runs past the retention, the latest one excepted.
DELETE FROM zoho_outbox_private.reconciliation AS run
WHERE run.finished_at < clock_timestamp() - make_interval(days => %(days)s)
    AND run.id <> (
        SELECT latest.id FROM zoho_outbox_private.reconciliation AS latest ORDER BY latest.started_at DESC LIMIT 1
    )
