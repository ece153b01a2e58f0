-- What the daemon's status line shows beside the organisation's state: how many rows could be sent now, counted to a
-- bound, and what is used up (a day's share, the tokens of ten minutes) and until when. The counts read the first entries
-- of an index, however long the backlog is; a row that is due and was changed again counts twice.
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT FROM zoho_outbox_private.entity_state AS state WHERE state.phase = 'ready' LIMIT %(most)s
        ) AS ready
    )
    + (
        SELECT count(*)
        FROM (
            SELECT FROM public.zoho_outbox AS entry WHERE NOT entry.admitted LIMIT %(most)s
        ) AS arrived
    )                           AS due,
    organisation.stop_told      AS used_up,
    organisation.stop_told_until AS used_up_until
FROM (SELECT) AS always
LEFT JOIN zoho_outbox_private.organisation AS organisation
    ON organisation.stop_told_until > clock_timestamp()
