-- Takes a run, or keeps it: no other process works on it meanwhile. Adds the requests that it took.
UPDATE zoho_outbox_private.reconciliation AS run
SET
    going_on = %(session)s,
    going_until = clock_timestamp() + make_interval(secs => %(hold_seconds)s),
    requests = run.requests + %(requests)s
WHERE run.id = %(run)s
    AND run.finished_at IS NULL
    AND (run.going_on IS NOT DISTINCT FROM %(session)s::uuid OR run.going_until <= clock_timestamp())
RETURNING run.id
