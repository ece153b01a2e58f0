-- A new run with its parts. Where another process began one at the same moment, nothing: the index allows one.
WITH run AS (
    INSERT INTO zoho_outbox_private.reconciliation (deep, entity_types, going_on, going_until)
    VALUES (
        %(deep)s,
        %(entity_types)s::text[],
        %(session)s,
        clock_timestamp() + make_interval(secs => %(hold_seconds)s)
    )
    ON CONFLICT DO NOTHING
    RETURNING id, entity_types, started_at
),
part AS (
    INSERT INTO zoho_outbox_private.reconciliation_part (run, entity_type)
    SELECT run.id, kind.entity_type
    FROM run
    CROSS JOIN LATERAL unnest(run.entity_types) AS kind (entity_type)
)
SELECT run.id, run.started_at FROM run
