-- Rows of one type that a backfill took up, with what decides what an undo does with each. {host_table}, {zoho_id} and
-- {known_by} are identifiers. Reads the outbox and the log once: no index leads from a row to its finished entries.
WITH batch AS MATERIALIZED (
    -- An entry that a person replayed says 'operator' from then on. It keeps the moment of the transaction that wrote it,
    -- and that was the backfill's where another of the same moment still says so.
    SELECT DISTINCT entry.created_at
    FROM public.zoho_outbox AS entry
    WHERE entry.origin = 'backfill'
),
entry AS MATERIALIZED (
    SELECT
        entry.entity_id,
        entry.change,
        entry.created_at,
        entry.finished_at IS NULL                                               AS is_open,
        entry.last_error,
        entry.origin = 'backfill' OR (entry.origin = 'operator' AND batch.created_at IS NOT NULL) AS named_by_backfill,
        -- What a row of the backfill needed first has its urgency.
        entry.origin = 'child' AND entry.priority = %(backfill)s                AS needed_by_backfill
    FROM public.zoho_outbox AS entry
    LEFT JOIN batch ON batch.created_at = entry.created_at
    WHERE entry.entity_type = %(entity_type)s
),
-- An entry that was replayed since says it no more, the attempt's log row does.
adoption AS MATERIALIZED (
    SELECT
        said.entity_id,
        bool_or(said.words NOT LIKE '%%adopted Zoho %%, which settles a create of unknown fate%%') AS may_be_anothers
    FROM (
        SELECT entry.entity_id, entry.last_error AS words
        FROM entry
        UNION ALL
        SELECT log.entity_id, log.error_message
        FROM public.zoho_sync_logs AS log
        WHERE log.entity_type = %(entity_type)s
    ) AS said
    WHERE said.words LIKE '%%adopted Zoho %%'
    GROUP BY said.entity_id
),
taken_up AS MATERIALIZED (
    SELECT
        entry.entity_id,
        min(entry.created_at) FILTER (WHERE entry.named_by_backfill OR entry.needed_by_backfill) AS since,
        bool_or(entry.named_by_backfill)                                        AS named_by_backfill,
        bool_or(entry.change = 'id_set')                                        AS id_set,
        bool_or(entry.is_open AND (entry.named_by_backfill OR entry.needed_by_backfill)) AS is_open,
        bool_or(entry.is_open AND NOT (entry.named_by_backfill OR entry.needed_by_backfill)) AS other_is_open
    FROM entry
    GROUP BY entry.entity_id
    HAVING bool_or(entry.named_by_backfill OR entry.needed_by_backfill)
)
SELECT
    taken_up.entity_id,
    {known_by}                                                                  AS known_as,
    host.id IS NOT NULL                                                         AS has_row,
    NULLIF(btrim(host.{zoho_id}), '')                                           AS host_zoho_id,
    state.zoho_id,
    state.phase,
    COALESCE(state.born_here, false)                                            AS born_here,
    COALESCE(state.intents, 0)                                                  AS intents,
    COALESCE(state.intent_at >= taken_up.since, false)                          AS created_since,
    state.fate_unknown_at IS NOT NULL                                           AS fate_unknown,
    state.sent_at,
    taken_up.since,
    taken_up.named_by_backfill,
    taken_up.id_set,
    adoption.entity_id IS NOT NULL                                              AS says_adopted,
    COALESCE(adoption.may_be_anothers, false)                                   AS may_be_anothers,
    taken_up.is_open,
    taken_up.other_is_open
FROM taken_up
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON state.entity_id = taken_up.entity_id AND state.entity_type = %(entity_type)s
LEFT JOIN adoption ON adoption.entity_id = taken_up.entity_id
LEFT JOIN {host_table} AS host ON host.id = taken_up.entity_id
ORDER BY known_as, taken_up.entity_id
