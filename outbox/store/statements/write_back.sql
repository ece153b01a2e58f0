-- Writes status columns that could not be written at settlement, because an application held the host row.
-- {host_table} and {zoho_id} are identifiers.
WITH due AS MATERIALIZED (
    SELECT
        state.entity_id,
        state.write_back_zoho_id,
        state.shown_status,
        state.shown_error,
        state.sent_at
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_type = %(entity_type)s
        AND state.entity_id = ANY (%(entity_ids)s::uuid[])
        AND state.write_back_due IS NOT NULL
        AND state.phase <> 'leased'
    FOR UPDATE OF state SKIP LOCKED
),
present AS MATERIALIZED (
    SELECT host.id FROM {host_table} AS host WHERE host.id IN (SELECT due.entity_id FROM due)
),
lockable AS MATERIALIZED (
    SELECT host.id
    FROM {host_table} AS host
    WHERE host.id IN (SELECT due.entity_id FROM due)
    FOR NO KEY UPDATE OF host SKIP LOCKED
),
written AS (
    UPDATE {host_table} AS host
    SET
        zoho_sync_status = due.shown_status,
        zoho_last_synced_at = CASE
            WHEN due.shown_status = 'synced' THEN due.sent_at
            ELSE host.zoho_last_synced_at
        END,
        zoho_last_sync_error = due.shown_error,
        -- Only the id that was still to be written, and only into an empty column: another hand has the last word.
        {zoho_id} = CASE
            WHEN due.write_back_zoho_id IS NOT NULL AND COALESCE(host.{zoho_id}, '') = '' THEN due.write_back_zoho_id
            ELSE host.{zoho_id}
        END
    FROM due
    JOIN lockable ON lockable.id = due.entity_id
    WHERE host.id = due.entity_id AND due.shown_status IS NOT NULL
),
-- A statement of its own: to write the status again that stands there would look like an operator's wish ('pending').
noted AS (
    UPDATE {host_table} AS host
    SET zoho_last_sync_error = due.shown_error
    FROM due
    JOIN lockable ON lockable.id = due.entity_id
    WHERE host.id = due.entity_id AND due.shown_status IS NULL
)
UPDATE zoho_outbox_private.entity_state AS state
SET
    write_back_due = CASE
        WHEN present.id IS NOT NULL AND lockable.id IS NULL THEN clock_timestamp() + interval '5 seconds'
    END,
    write_back_zoho_id = CASE
        WHEN present.id IS NOT NULL AND lockable.id IS NULL THEN state.write_back_zoho_id
    END
FROM due
LEFT JOIN lockable ON lockable.id = due.entity_id
LEFT JOIN present ON present.id = due.entity_id
WHERE state.entity_id = due.entity_id AND state.entity_type = %(entity_type)s
