-- What operators start by SQL. SECURITY DEFINER: they write private state; executable by zoho_outbox_operator and
-- the daemon alone; who did it is zoho_outbox_private.acting().

GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE FUNCTION public.zoho_outbox_pause(reason text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    earlier zoho_outbox_private.organisation;
BEGIN
    SELECT organisation.* INTO earlier FROM zoho_outbox_private.organisation FOR UPDATE;
    IF earlier.paused_at IS NOT NULL THEN
        RETURN pg_catalog.format(
            'paused already since %s by %s: %s', earlier.paused_at, earlier.paused_by,
            COALESCE(earlier.paused_why, 'no reason given')
        );
    END IF;
    UPDATE zoho_outbox_private.organisation
    SET paused_at = pg_catalog.clock_timestamp(), paused_by = zoho_outbox_private.acting(), paused_why = reason;
    PERFORM pg_catalog.pg_notify('zoho_outbox', '');
    RETURN 'paused; what is in flight is finished, nothing more is sent; SELECT zoho_outbox_resume() ends it';
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_pause(text) IS 'Stops sending for every replica at once; enqueueing goes on';

CREATE OR REPLACE FUNCTION public.zoho_outbox_resume() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    earlier zoho_outbox_private.organisation;
BEGIN
    SELECT organisation.* INTO earlier FROM zoho_outbox_private.organisation FOR UPDATE;
    IF earlier.paused_at IS NULL THEN
        RETURN 'was not paused';
    END IF;
    UPDATE zoho_outbox_private.organisation
    SET
        paused_at = NULL,
        paused_by = NULL,
        paused_why = NULL,
        resumed_at = pg_catalog.clock_timestamp(),
        resumed_by = zoho_outbox_private.acting();
    PERFORM pg_catalog.pg_notify('zoho_outbox', '');
    RETURN pg_catalog.format(
        'resumed; was paused since %s by %s: %s', earlier.paused_at, earlier.paused_by,
        COALESCE(earlier.paused_why, 'no reason given')
    );
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_resume() IS 'Ends a pause; what was enqueued meanwhile is sent in its order';

-- Replay. The guard on zoho_outbox does the work and records who acts; these find the entries, and never wait
-- for what another operator's open transaction holds, except where one entry is named (as its UPDATE would).

CREATE OR REPLACE FUNCTION public.zoho_outbox_replay(entry_id bigint)
RETURNS TABLE (id bigint, entity_type text, entity_id uuid, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    RETURN QUERY
    UPDATE public.zoho_outbox AS entry
    SET status = 'pending'
    WHERE entry.id = zoho_outbox_replay.entry_id
    RETURNING entry.id, entry.entity_type::pg_catalog.text, entry.entity_id, entry.status::pg_catalog.text;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'zoho_outbox %: there is no such entry', entry_id
            USING ERRCODE = 'no_data_found',
                  HINT = 'Finished entries are deleted after OUTBOX_RETENTION_DAYS. To have the row itself sent again: SELECT * FROM zoho_outbox_replay_entity(type, id).';
    END IF;
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_replay(bigint) IS
    'Has one entry tried again, as UPDATE ... SET status = ''pending'' does; one that is being sent stays, and a new one runs after it';

CREATE OR REPLACE FUNCTION zoho_outbox_private.refuse_unknown_type(type text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    IF type IS NULL OR type NOT IN ('customer', 'subscription', 'invoice', 'payment') THEN
        RAISE EXCEPTION '"%" is no type of record', type
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'It is customer, subscription, invoice or payment.';
    END IF;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.refuse_unknown_type(text) IS 'For the operators'' functions';

CREATE OR REPLACE FUNCTION public.zoho_outbox_replay_entity(type text, entity uuid)
RETURNS TABLE (id bigint, entity_type text, entity_id uuid, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    present_phase pg_catalog.text;
BEGIN
    PERFORM zoho_outbox_private.refuse_unknown_type(type);
    SELECT state.phase INTO present_phase
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = entity AND state.entity_type = type;
    IF NOT FOUND THEN
        PERFORM
        FROM public.zoho_outbox AS entry
        WHERE NOT entry.admitted AND entry.entity_id = entity AND entry.entity_type = type;
        IF NOT FOUND THEN
            RAISE EXCEPTION '% %: nothing of it was ever captured', type, entity
                USING ERRCODE = 'no_data_found',
                      HINT = 'Check type and id. A row from before the installation is enqueued by UPDATE ... SET zoho_sync_status = ''pending'' on its own table.';
        END IF;
    END IF;

    RETURN QUERY
    WITH reopening AS MATERIALIZED (
        SELECT open.id
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = entity
            AND open.entity_type = type
            AND open.admitted
            AND open.finished_at IS NULL
            AND open.status <> 'processing'
        FOR UPDATE OF open SKIP LOCKED
    ),
    reopened AS (
        UPDATE public.zoho_outbox AS entry
        SET status = 'pending'
        FROM reopening
        WHERE entry.id = reopening.id
        RETURNING entry.id, entry.entity_type, entry.entity_id, entry.status
    )
    SELECT reopened.id, reopened.entity_type::pg_catalog.text, reopened.entity_id, reopened.status::pg_catalog.text
    FROM reopened
    ORDER BY reopened.id;
    IF FOUND THEN
        RETURN;
    END IF;

    -- Nothing of it is open, or it is being sent: one new entry, however many the present send absorbed.
    RETURN QUERY
    INSERT INTO public.zoho_outbox AS entry (entity_type, entity_id, change, origin, requested_by)
    VALUES (type, entity, 'requested', 'operator', zoho_outbox_private.acting())
    RETURNING entry.id, entry.entity_type::pg_catalog.text, entry.entity_id, entry.status::pg_catalog.text;
    IF present_phase = 'leased' THEN
        RAISE NOTICE '% %: is being sent now; a new entry runs after it', type, entity;
    END IF;
    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_replay_entity(text, uuid) IS
    'Has one row sent again: reopens its unfinished entries, or appends a new one where there are none';

CREATE OR REPLACE FUNCTION public.zoho_outbox_replay_dead(type text DEFAULT NULL, since timestamptz DEFAULT NULL)
RETURNS TABLE (id bigint, entity_type text, entity_id uuid, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    IF type IS NOT NULL THEN
        PERFORM zoho_outbox_private.refuse_unknown_type(type);
    END IF;
    -- By the state rows: their index holds the dead alone, that of open entries a backlog of any size.
    RETURN QUERY
    WITH dead AS MATERIALIZED (
        SELECT entry.id
        FROM zoho_outbox_private.entity_state AS state
        CROSS JOIN LATERAL (
            SELECT open.id
            FROM public.zoho_outbox AS open
            WHERE open.entity_id = state.entity_id
                AND open.entity_type = state.entity_type
                AND open.admitted
                AND open.finished_at IS NULL
                AND open.status = 'dead'
            FOR UPDATE OF open SKIP LOCKED
        ) AS entry
        WHERE state.phase = 'dead'
            AND (type IS NULL OR state.entity_type = type)
            AND (since IS NULL OR state.due_at >= since)
    ),
    reopened AS (
        UPDATE public.zoho_outbox AS entry
        SET status = 'pending'
        FROM dead
        WHERE entry.id = dead.id
        RETURNING entry.id, entry.entity_type, entry.entity_id, entry.status
    )
    SELECT reopened.id, reopened.entity_type::pg_catalog.text, reopened.entity_id, reopened.status::pg_catalog.text
    FROM reopened
    ORDER BY reopened.id;
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_replay_dead(text, timestamptz) IS
    'Has everything tried again that is dead: of one type, or of all; what died since a moment, or ever';

-- Skip. The state row is locked first, as a claim does; so a claim, an admission or a wake-up comes wholly before or
-- wholly after. Nobody is waited for, and nobody waits for the operator's transaction: whoever finds the row locked
-- skips it and finds it again. The host row is not touched: an application may hold it; the daemon writes it back.
CREATE OR REPLACE FUNCTION public.zoho_outbox_skip(entry_id bigint, reason text)
RETURNS TABLE (id bigint, entity_type text, entity_id uuid, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    chosen        public.zoho_outbox;
    present_phase pg_catalog.text;
    newer         pg_catalog.int8;
    moment        pg_catalog.timestamptz;
BEGIN
    IF pg_catalog.btrim(COALESCE(reason, '')) = '' THEN
        RAISE EXCEPTION 'zoho_outbox %: setting it aside needs a reason', entry_id
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'SELECT zoho_outbox_skip(id, ''why''): the reason is shown in the row''s zoho_last_sync_error.';
    END IF;
    SELECT entry.* INTO chosen FROM public.zoho_outbox AS entry WHERE entry.id = entry_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'zoho_outbox %: there is no such entry', entry_id
            USING ERRCODE = 'no_data_found',
                  HINT = 'SELECT id, entity_type, entity_id, status, last_error FROM zoho_outbox WHERE status IN (''dead'', ''waiting'').';
    END IF;

    BEGIN
        SELECT state.phase INTO present_phase
        FROM zoho_outbox_private.entity_state AS state
        WHERE state.entity_id = chosen.entity_id AND state.entity_type = chosen.entity_type
        FOR UPDATE NOWAIT;

        -- Everything that the same attempt carried, locked before it is looked at.
        PERFORM
        FROM public.zoho_outbox AS open
        WHERE open.entity_id = chosen.entity_id
            AND open.entity_type = chosen.entity_type
            AND open.admitted
            AND open.finished_at IS NULL
            AND open.id <= entry_id
        FOR UPDATE NOWAIT;
        SELECT entry.* INTO chosen FROM public.zoho_outbox AS entry WHERE entry.id = entry_id FOR UPDATE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'zoho_outbox %: the daemon or somebody else''s transaction works on % % at this moment',
            entry_id, chosen.entity_type, chosen.entity_id
            USING ERRCODE = 'lock_not_available',
                  HINT = 'Say it again. If that goes on, an operator''s transaction was left open: pg_stat_activity shows it.';
    END;
    IF chosen.id IS NULL THEN
        RAISE EXCEPTION 'zoho_outbox %: was deleted at this moment', entry_id USING ERRCODE = 'no_data_found';
    END IF;
    IF present_phase = 'leased' THEN
        RAISE EXCEPTION 'zoho_outbox %: % % is being sent now', entry_id, chosen.entity_type, chosen.entity_id
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Say it again after that, if the entry is dead or waiting then. SELECT zoho_outbox_pause(''why'') stops all sending.';
    END IF;
    IF chosen.status NOT IN ('dead', 'waiting') THEN
        RAISE EXCEPTION 'zoho_outbox %: is %, only a dead or waiting entry can be set aside', entry_id, chosen.status
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = CASE
                      WHEN chosen.finished_at IS NOT NULL THEN 'It is finished: nothing of it is sent any more.'
                      ELSE 'It is due, or between attempts. SELECT zoho_outbox_pause(''why'') stops all sending; a row that is wrong is mended by an edit.'
                  END;
    END IF;

    moment := pg_catalog.clock_timestamp();
    -- A pending entry came after what is set aside, whatever its number (it was replayed): it is sent all the same.
    RETURN QUERY
    UPDATE public.zoho_outbox AS entry
    SET
        status = CASE WHEN entry.id = entry_id THEN 'skipped' ELSE 'done' END,
        outcome = CASE WHEN entry.id = entry_id THEN 'set_aside' ELSE 'superseded' END,
        requested_by = CASE WHEN entry.id = entry_id THEN zoho_outbox_private.acting() ELSE entry.requested_by END,
        requested_at = CASE WHEN entry.id = entry_id THEN moment ELSE entry.requested_at END,
        finished_at = moment,
        next_attempt_at = NULL,
        waiting_for = NULL,
        last_error = reason,
        revision = entry.revision + 1
    WHERE entry.entity_id = chosen.entity_id
        AND entry.entity_type = chosen.entity_type
        AND entry.admitted
        AND entry.finished_at IS NULL
        AND entry.id <= entry_id
        AND entry.status <> 'pending'
    RETURNING entry.id, entry.entity_type::pg_catalog.text, entry.entity_id, entry.status::pg_catalog.text;

    SELECT pg_catalog.max(open.id) INTO newer
    FROM public.zoho_outbox AS open
    WHERE open.entity_id = chosen.entity_id
        AND open.entity_type = chosen.entity_type
        AND open.admitted
        AND open.finished_at IS NULL;
    IF newer IS NOT NULL THEN
        RAISE NOTICE 'zoho_outbox %: is set aside, but entry % of the same row is unfinished too', entry_id, newer;
        RETURN;
    END IF;
    -- Of a create whose fate is unknown everything is kept: whoever sends the row again looks first.
    UPDATE zoho_outbox_private.entity_state AS state
    SET
        phase = 'idle',
        -- Whoever waits for it looks once more (wake_children.sql).
        due_at = pg_catalog.clock_timestamp(),
        attempts = 0,
        waits_for_type = NULL,
        waits_for_id = NULL,
        last_error = reason,
        -- The entry may have asked to be sent although nothing changed, and that wish is lost: a later edit must not
        -- look unchanged.
        sent_hash = CASE
            WHEN state.sent_hash LIKE '%:refunded' THEN '?:refunded'
            WHEN state.sent_hash IS NOT NULL THEN '?:?'
        END,
        shown_status = 'skipped',
        shown_error = reason,
        write_back_due = moment
    WHERE state.entity_id = chosen.entity_id AND state.entity_type = chosen.entity_type;
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_skip(bigint, text) IS
    'Sets a dead or waiting entry aside, with those that the same attempt carried: nothing is sent until the row is edited or replayed';

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
