-- Where the sending of rows stands, by what was captured of them.
SELECT
    state.entity_id,
    state.phase,
    state.due_at,
    state.attempts,
    state.zoho_id,
    state.sent_hash,
    state.sent_at,
    state.fate_unknown_at,
    state.leased_at,
    state.last_error,
    state.shown_status,
    state.write_back_zoho_id IS NOT NULL AS id_not_written,
    waiting.waiting_for
FROM zoho_outbox_private.entity_state AS state
LEFT JOIN LATERAL (
    SELECT entry.waiting_for
    FROM public.zoho_outbox AS entry
    WHERE state.phase = 'waiting'
        AND entry.admitted
        AND entry.finished_at IS NULL
        AND entry.entity_id = state.entity_id
        AND entry.entity_type = state.entity_type
        AND entry.status = 'waiting'
    ORDER BY entry.id DESC
    LIMIT 1
) AS waiting ON true
WHERE state.entity_id = ANY (%(ids)s) AND state.entity_type = %(entity_type)s
