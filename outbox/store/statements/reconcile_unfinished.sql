-- The run that is not finished, and whether a living process works on it.
SELECT
    run.id,
    run.deep,
    run.entity_types,
    run.started_at,
    run.requests,
    run.going_on IS DISTINCT FROM %(session)s::uuid AND run.going_until > clock_timestamp() AS taken
FROM zoho_outbox_private.reconciliation AS run
WHERE run.finished_at IS NULL
FOR UPDATE
