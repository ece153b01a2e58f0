-- The latest run, finished or not.
SELECT
    run.id,
    run.deep,
    run.entity_types,
    run.started_at,
    run.started_by,
    run.finished_at,
    run.requests
FROM zoho_outbox_private.reconciliation AS run
ORDER BY run.started_at DESC
LIMIT 1
