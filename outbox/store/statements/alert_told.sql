-- What was told to receivers, and stands as far as they know.
SELECT
    alert.receiver,
    alert.problem,
    alert.said,
    alert.entity_type,
    alert.entity_ids,
    alert.entities,
    EXTRACT(EPOCH FROM clock_timestamp() - alert.told_at)::double precision AS told_seconds
FROM zoho_outbox_private.alert AS alert
WHERE alert.receiver = ANY (%(receivers)s)
