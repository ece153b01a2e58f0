-- What a receiver was told just now: problems that stand, and those that are over. Only with the turn in hand: who took
-- longer than it lasts may stand beside another who tells the same.
WITH turn AS MATERIALIZED (
    SELECT turn.turn_token
    FROM zoho_outbox_private.alert_turn AS turn
    WHERE turn.turn_token = %(token)s
    FOR UPDATE
),
over AS (
    DELETE FROM zoho_outbox_private.alert AS alert
    USING turn
    WHERE alert.receiver = %(receiver)s AND alert.problem = ANY (%(over)s)
),
standing AS (
    INSERT INTO zoho_outbox_private.alert AS alert
        (receiver, problem, said, entity_type, entity_ids, entities)
    SELECT %(receiver)s, problem.problem, problem.said, problem.entity_type, problem.entity_ids, problem.entities
    FROM turn
    CROSS JOIN jsonb_to_recordset(%(standing)s) AS problem (
        problem text,
        said text,
        entity_type text,
        entity_ids uuid[],
        entities integer
    )
    ON CONFLICT (receiver, problem) DO UPDATE
    SET
        said = EXCLUDED.said,
        entity_ids = EXCLUDED.entity_ids,
        entities = EXCLUDED.entities,
        told_at = clock_timestamp()
)
SELECT turn.turn_token FROM turn
