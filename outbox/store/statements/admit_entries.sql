-- Admission: folds entries that triggers appended into the state rows of their entities.
--
-- Waits for nobody: entries and state rows that somebody else holds are left for the next time. Takes the oldest
-- entries and the newest few, so that one edit does not stand behind a bulk load. Entries of one transaction share
-- created_at, and those that are replayed in one requested_at; where more than bulk_threshold of them stand together,
-- they are of class bulk (25).
WITH candidate AS MATERIALIZED (
    (
        SELECT entry.id
        FROM public.zoho_outbox AS entry
        WHERE NOT entry.admitted
        ORDER BY entry.id
        LIMIT {oldest}
    )
    UNION
    (
        SELECT entry.id
        FROM public.zoho_outbox AS entry
        WHERE NOT entry.admitted
        ORDER BY entry.id DESC
        LIMIT {newest}
    )
),
locked AS MATERIALIZED (
    SELECT
        entry.id,
        entry.entity_type,
        entry.entity_id,
        COALESCE(entry.requested_at, entry.created_at) AS came_at,
        entry.change,
        entry.origin,
        entry.priority
    FROM public.zoho_outbox AS entry
    WHERE entry.id IN (SELECT candidate.id FROM candidate) AND NOT entry.admitted
    FOR UPDATE OF entry SKIP LOCKED
),
arrival AS MATERIALIZED (
    SELECT
        locked.*,
        CASE
            WHEN locked.priority = 10
                AND locked.origin IN ('trigger', 'operator')
                AND count(*) OVER (PARTITION BY locked.came_at) > %(bulk_threshold)s
                THEN 25
            ELSE locked.priority
        END AS urgency
    FROM locked
),
entity AS MATERIALIZED (
    SELECT
        arrival.entity_type,
        arrival.entity_id,
        min(arrival.urgency)                                    AS urgency,
        bool_or(arrival.change = 'inserted')                    AS inserted,
        max(arrival.id) FILTER (WHERE arrival.change = 'inserted')                  AS inserted_entry,
        max(arrival.id) FILTER (WHERE arrival.change IN ('deleted', 'truncated'))   AS deleted_entry,
        bool_or(arrival.origin = 'operator')                    AS by_operator,
        bool_or(arrival.origin IN ('trigger', 'operator'))      AS due_at_once
    FROM arrival
    GROUP BY arrival.entity_type, arrival.entity_id
),
newborn AS (
    INSERT INTO zoho_outbox_private.entity_state AS state (
        entity_type, entity_id, phase, urgency, due_at, born_here, inserted_entry, deleted_entry, host_deleted_at
    )
    SELECT
        entity.entity_type,
        entity.entity_id,
        'ready',
        entity.urgency,
        clock_timestamp(),
        -- Not where it was deleted in the same breath (a reload): a record from before may be in Zoho.
        entity.inserted AND entity.deleted_entry IS NULL,
        entity.inserted_entry,
        entity.deleted_entry,
        CASE WHEN entity.deleted_entry > COALESCE(entity.inserted_entry, 0) THEN clock_timestamp() END
    FROM entity
    -- ON CONFLICT alone would wait for a process that was stopped within its claim of such a row.
    WHERE NOT EXISTS (
        SELECT FROM zoho_outbox_private.entity_state AS known
        WHERE known.entity_id = entity.entity_id AND known.entity_type = entity.entity_type
    )
    ORDER BY entity.entity_id, entity.entity_type
    ON CONFLICT (entity_id, entity_type) DO NOTHING
    RETURNING state.entity_type, state.entity_id
),
existing AS MATERIALIZED (
    SELECT state.entity_type, state.entity_id
    FROM zoho_outbox_private.entity_state AS state
    JOIN entity ON entity.entity_id = state.entity_id AND entity.entity_type = state.entity_type
    FOR UPDATE OF state SKIP LOCKED
),
folded AS (
    UPDATE zoho_outbox_private.entity_state AS state
    SET
        phase = CASE
            WHEN state.phase = 'leased' THEN 'leased'
            WHEN state.phase = 'scheduled' AND NOT entity.due_at_once THEN 'scheduled'
            ELSE 'ready'
        END,
        due_at = CASE
            WHEN state.phase IN ('leased', 'ready') THEN state.due_at
            WHEN state.phase = 'scheduled' AND NOT entity.due_at_once THEN state.due_at
            ELSE clock_timestamp()
        END,
        urgency = CASE
            WHEN state.phase = 'ready'
                OR state.arrived_since_claim
                OR (state.phase = 'scheduled' AND NOT entity.due_at_once)
                THEN least(state.urgency, entity.urgency)
            ELSE entity.urgency
        END,
        arrived_since_claim = (state.phase = 'leased'),
        attempts = CASE
            WHEN state.phase = 'leased' THEN state.attempts
            WHEN state.phase = 'dead' OR entity.by_operator THEN 0
            ELSE state.attempts
        END,
        born_here = state.born_here OR (
            entity.inserted
            AND entity.deleted_entry IS NULL
            AND state.intents = 0
            AND state.zoho_id IS NULL
            AND state.host_deleted_at IS NULL
        ),
        inserted_entry = greatest(state.inserted_entry, entity.inserted_entry),
        deleted_entry = greatest(state.deleted_entry, entity.deleted_entry),
        -- By the ids, not by the order of admission: the entries of one row are numbered in the order of its life.
        host_deleted_at = CASE
            WHEN greatest(state.deleted_entry, entity.deleted_entry)
                > COALESCE(greatest(state.inserted_entry, entity.inserted_entry), 0)
                THEN COALESCE(state.host_deleted_at, clock_timestamp())
        END
    FROM entity
    JOIN existing ON existing.entity_id = entity.entity_id AND existing.entity_type = entity.entity_type
    WHERE state.entity_id = entity.entity_id AND state.entity_type = entity.entity_type
    RETURNING state.entity_type, state.entity_id
),
taken AS (
    SELECT newborn.entity_type, newborn.entity_id FROM newborn
    UNION ALL
    SELECT folded.entity_type, folded.entity_id FROM folded
),
admitted AS (
    UPDATE public.zoho_outbox AS entry
    SET admitted = true, priority = arrival.urgency, revision = entry.revision + 1
    FROM arrival
    JOIN taken ON taken.entity_id = arrival.entity_id AND taken.entity_type = arrival.entity_type
    WHERE entry.id = arrival.id
    RETURNING entry.id
)
SELECT count(*) AS admitted
FROM admitted
