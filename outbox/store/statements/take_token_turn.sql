-- Whose turn it is to mint the next token. Zoho allows 10 mints in 10 minutes and then refuses for 10 to 20; we stop
-- at most_mints, so that a person can still mint one by hand. A mint is counted when it is asked for.
WITH token AS MATERIALIZED (
    SELECT token.*
    FROM zoho_outbox_private.access_token AS token
    LIMIT 1
    FOR UPDATE OF token
),
recent AS MATERIALIZED (
    SELECT count(*) AS mints, min(mint.minted_at) AS oldest
    FROM zoho_outbox_private.token_mint AS mint
    WHERE mint.minted_at > clock_timestamp() - interval '10 minutes'
),
verdict AS MATERIALIZED (
    SELECT
        token.generation,
        token.secret,
        EXTRACT(EPOCH FROM token.expires_at - clock_timestamp())::double precision AS seconds_left,
        token.cooldown_why,
        CASE
            WHEN token.generation > %(seen_generation)s AND token.secret IS NOT NULL THEN 'newer'
            WHEN token.turn_until > clock_timestamp() THEN 'taken'
            WHEN token.cooldown_until > clock_timestamp() THEN 'cooling'
            WHEN recent.mints >= %(most_mints)s THEN 'limit'
            ELSE 'granted'
        END AS answer,
        CASE
            WHEN token.cooldown_until > clock_timestamp() THEN token.cooldown_until
            ELSE recent.oldest + interval '10 minutes'
        END AS until
    FROM token, recent
),
turn AS (
    UPDATE zoho_outbox_private.access_token AS token
    SET
        turn_token = %(turn_token)s,
        turn_until = clock_timestamp() + make_interval(secs => %(turn_seconds)s)
    FROM verdict
    WHERE token.only_row AND verdict.answer = 'granted'
    RETURNING token.generation
),
counted AS (
    INSERT INTO zoho_outbox_private.token_mint (session_id)
    SELECT %(session)s FROM turn
    RETURNING id
)
SELECT verdict.*, (SELECT count(*) FROM counted) AS counted FROM verdict
