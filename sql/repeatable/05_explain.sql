-- zoho_explain: why a row is where it is, and what to do next. The one place of that sentence: the command, the
-- dashboard and the API print what stands here. Reads only; runs as the owner, because an operator may not read the
-- state of everything that the answer depends on (what a create was looked up by, say, and the host's own rows).
--
-- What it costs does not grow with the history: the row's state, its parent's, its open entries, its newest attempts,
-- and of the finished entries those that the attempts name and those among the newest 10,000 of all. No index leads
-- from a row to its finished entries: the host's transactions would pay for it.

GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE FUNCTION zoho_outbox_private.moment(at timestamptz) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT COALESCE(pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), '-')
$function$;

COMMENT ON FUNCTION zoho_outbox_private.moment(timestamptz) IS 'A moment as sentences say it; a dash where there is none';

CREATE OR REPLACE FUNCTION zoho_outbox_private.one_line(said text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT COALESCE(NULLIF(pg_catalog.btrim(pg_catalog.regexp_replace(said, '\s+', ' ', 'g')), ''), '-')
$function$;

COMMENT ON FUNCTION zoho_outbox_private.one_line(text) IS 'A text without line ends; a dash where there is none';

CREATE OR REPLACE FUNCTION zoho_outbox_private.typed(type text, handle text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT
        type || ' ' || CASE
            WHEN handle ~ '^[A-Za-z0-9@%+=:,./_-]+$' THEN handle
            ELSE '''' || pg_catalog.replace(handle, '''', '''"''"''') || ''''
        END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.typed(text, text) IS 'TYPE and ID of a command, quoted for a shell';

CREATE OR REPLACE FUNCTION zoho_outbox_private.host_table(type text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT
        CASE type
            WHEN 'customer' THEN 'customers'
            WHEN 'subscription' THEN 'customer_services'
            WHEN 'invoice' THEN 'customer_invoices'
            WHEN 'payment' THEN 'payment_transactions'
        END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.host_table(text) IS 'The table in public whose rows are records of that type';

-- By name in plpgsql, and no view: nothing of ours stands in the way when the host changes its tables.
CREATE OR REPLACE FUNCTION zoho_outbox_private.host_row(type text, id uuid)
RETURNS TABLE (
    known_as text, zoho_id text, sync_status text, last_synced_at timestamptz, last_sync_error text, is_readable boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET row_security = on AS $function$
BEGIN
    CASE type
        WHEN 'customer' THEN
            RETURN QUERY
            SELECT
                host.account_number::pg_catalog.text, host.zoho_billing_customer_id, host.zoho_sync_status,
                host.zoho_last_synced_at, host.zoho_last_sync_error, true
            FROM public.customers AS host
            WHERE host.id = host_row.id;
        WHEN 'subscription' THEN
            RETURN QUERY
            SELECT
                NULL::pg_catalog.text, host.zoho_subscription_id, host.zoho_sync_status,
                host.zoho_last_synced_at, host.zoho_last_sync_error, true
            FROM public.customer_services AS host
            WHERE host.id = host_row.id;
        WHEN 'invoice' THEN
            RETURN QUERY
            SELECT
                host.invoice_number::pg_catalog.text, host.zoho_billing_invoice_id, host.zoho_sync_status,
                host.zoho_last_synced_at, host.zoho_last_sync_error, true
            FROM public.customer_invoices AS host
            WHERE host.id = host_row.id;
        WHEN 'payment' THEN
            RETURN QUERY
            SELECT
                host.transaction_id, host.zoho_payment_id, host.zoho_sync_status,
                host.zoho_last_synced_at, host.zoho_last_sync_error, true
            FROM public.payment_transactions AS host
            WHERE host.id = host_row.id;
    END CASE;
EXCEPTION WHEN insufficient_privilege THEN
    -- Somebody took the owner's right on the host's table away: the rest is told all the same.
    RETURN QUERY
    SELECT
        NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.timestamptz,
        NULL::pg_catalog.text, false;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.host_row(text, uuid) IS
    'A host row as far as the sync shows itself in it, and what people call it; nothing personal';

CREATE OR REPLACE FUNCTION zoho_outbox_private.silent_triggers(type text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT pg_catalog.string_agg(wanted.name, ', ' ORDER BY wanted.name)
    FROM (
        VALUES
            ('zoho_outbox_inserted'), ('zoho_outbox_updated'), ('zoho_outbox_requested'), ('zoho_outbox_id_set'),
            ('zoho_outbox_deleted'), ('zoho_outbox_truncated')
    ) AS wanted (name)
    WHERE NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS present
        JOIN pg_catalog.pg_class AS class ON class.oid = present.tgrelid
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = 'public'
            AND class.relname = zoho_outbox_private.host_table(type)
            AND present.tgname = wanted.name
            -- Always, or for everybody but a replica's apply.
            AND present.tgenabled IN ('A', 'O')
    )
$function$;

COMMENT ON FUNCTION zoho_outbox_private.silent_triggers(text) IS
    'Capture triggers of a type''s table that are missing or disabled, in words; NULL: none is';

-- What holds up everything of a class of work, and what ends that. In the order of read_organisation.sql and of
-- take_permit.sql.
CREATE OR REPLACE FUNCTION zoho_outbox_private.obstacle(
    type text, urgency smallint, OUT state text, OUT why text, OUT next text, OUT daemons bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    moment_now pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    organisation zoho_outbox_private.organisation;
    budget       zoho_outbox_private.request_budget;
    day_ends_at  pg_catalog.timestamptz;
BEGIN
    SELECT single.* INTO organisation FROM zoho_outbox_private.organisation AS single LIMIT 1;
    SELECT single.* INTO budget FROM zoho_outbox_private.request_budget AS single LIMIT 1;
    SELECT pg_catalog.count(*) INTO daemons
    FROM zoho_outbox_private.session AS session
    WHERE session.kind = 'daemon' AND session.seen_at > moment_now - interval '1 minute';
    IF budget.time_zone IS NOT NULL
        AND budget.day = (moment_now AT TIME ZONE budget.time_zone)::pg_catalog.date
    THEN
        day_ends_at := (budget.day + 1)::pg_catalog.timestamp AT TIME ZONE budget.time_zone;
    END IF;

    state := 'running';
    IF organisation.paused_at IS NOT NULL THEN
        state := 'paused';
        why := pg_catalog.format(
            'sending was paused by %s: %s (since %s)', organisation.paused_by,
            COALESCE(organisation.paused_why, 'no reason given'), zoho_outbox_private.moment(organisation.paused_at)
        );
        next := 'zoho-outbox resume, or SELECT zoho_outbox_resume(), ends the pause';
    ELSIF organisation.forbidden_at IS NOT NULL THEN
        state := 'forbidden';
        why := pg_catalog.format(
            'Zoho refuses everything since %s and a person must act: %s',
            zoho_outbox_private.moment(organisation.forbidden_at), zoho_outbox_private.one_line(organisation.forbidden_why)
        );
        next := pg_catalog.format(
            'mend that (zoho-outbox doctor names it); it is tried again at %s, or when a daemon starts',
            zoho_outbox_private.moment(organisation.probe_at)
        );
    ELSIF organisation.throttled_until > moment_now THEN
        state := 'throttled';
        why := pg_catalog.format(
            'sending is throttled until %s: %s', zoho_outbox_private.moment(organisation.throttled_until),
            zoho_outbox_private.one_line(organisation.throttled_why)
        );
        next := 'nothing: sending goes on by itself then';
    ELSIF organisation.broken_at IS NOT NULL THEN
        state := 'broken';
        why := pg_catalog.format(
            'Zoho is unwell since %s (%s)', zoho_outbox_private.moment(organisation.broken_at),
            zoho_outbox_private.one_line(organisation.broken_why)
        );
        next := pg_catalog.format(
            'nothing: Zoho is probed again at %s, and sending goes on by itself',
            zoho_outbox_private.moment(organisation.probe_at)
        );
    ELSIF budget.day_limit > 0 AND day_ends_at IS NOT NULL AND budget.requests >= budget.day_limit THEN
        state := 'day';
        why := pg_catalog.format('the day''s quota of %s requests is used up', budget.day_limit);
        next := pg_catalog.format('nothing: sending goes on by itself at %s', zoho_outbox_private.moment(day_ends_at));
    ELSIF budget.day_limit > 0
        AND day_ends_at IS NOT NULL
        AND urgency >= 30
        AND budget.requests >= pg_catalog.floor(budget.day_limit * (100 - budget.reserve_percent) / 100.0)
    THEN
        state := 'reserve';
        why := pg_catalog.format(
            'the rest of the day''s quota of %s requests is kept for live changes, and this is a backfill''s or a reconciliation''s',
            budget.day_limit
        );
        next := pg_catalog.format(
            'nothing: it goes on by itself at %s; an edit of the row makes it a live change',
            zoho_outbox_private.moment(day_ends_at)
        );
    END IF;
    IF daemons > 0 THEN
        RETURN;
    END IF;
    IF why IS NULL THEN
        state := 'no_daemon';
        why := 'no daemon is running';
        next := pg_catalog.format(
            'start it (systemctl start zoho-outbox), or send this row alone: zoho-outbox sync %s', type
        );
    ELSE
        why := why || '; besides, no daemon is running';
        next := next || '; start the daemon (systemctl start zoho-outbox)';
    END IF;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.obstacle(text, smallint) IS
    'What stops sending as a whole (state, why, next; why NULL: nothing does) for work of that urgency. Argument type: TYPE and ID as typed';

CREATE OR REPLACE FUNCTION public.zoho_explain(type text, id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $function$
#variable_conflict use_column
DECLARE
    most_entries  CONSTANT pg_catalog.int4 := 20;
    most_attempts CONSTANT pg_catalog.int4 := 50;
    moment_now    pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    host          record;
    mine          zoho_outbox_private.entity_state;
    holder        pg_catalog.text;
    fresh         pg_catalog.int8;
    newest        pg_catalog.int8;
    entries       pg_catalog.jsonb;
    attempts      pg_catalog.jsonb;
    awaited       pg_catalog.jsonb;
    obstacle      record;
    silent        pg_catalog.text;
    handle        pg_catalog.text;
    typed         pg_catalog.text;
    enqueue       pg_catalog.text;
    zoho_id       pg_catalog.text;
    in_row        pg_catalog.text;
    waiting_for   pg_catalog.text;
    set_aside     pg_catalog.jsonb;
    parent        record;
    parent_typed  pg_catalog.text;
    told_where    pg_catalog.text;
    told_why      pg_catalog.text;
    told_next     pg_catalog.text;
BEGIN
    PERFORM zoho_outbox_private.refuse_unknown_type(zoho_explain.type);

    SELECT found.* INTO host FROM zoho_outbox_private.host_row(zoho_explain.type, zoho_explain.id) AS found;
    SELECT present.* INTO mine
    FROM zoho_outbox_private.entity_state AS present
    WHERE present.entity_id = zoho_explain.id AND present.entity_type = zoho_explain.type;
    SELECT pg_catalog.count(*) INTO fresh
    FROM public.zoho_outbox AS entry
    WHERE NOT entry.admitted AND entry.entity_id = zoho_explain.id AND entry.entity_type = zoho_explain.type;

    SELECT pg_catalog.max(entry.id) INTO newest FROM public.zoho_outbox AS entry;
    WITH attempt AS MATERIALIZED (
        SELECT log.*
        FROM public.zoho_sync_logs AS log
        WHERE log.entity_id = zoho_explain.id AND log.entity_type = zoho_explain.type
        ORDER BY log.created_at DESC
        LIMIT most_attempts
    ),
    known AS (
        SELECT entry.id
        FROM public.zoho_outbox AS entry
        WHERE NOT entry.admitted AND entry.entity_id = zoho_explain.id AND entry.entity_type = zoho_explain.type
        UNION
        SELECT entry.id
        FROM public.zoho_outbox AS entry
        WHERE entry.admitted
            AND entry.finished_at IS NULL
            AND entry.entity_id = zoho_explain.id
            AND entry.entity_type = zoho_explain.type
        UNION
        SELECT attempt.outbox_id FROM attempt
        UNION
        SELECT named.entry FROM (VALUES (mine.inserted_entry), (mine.deleted_entry)) AS named (entry)
        UNION
        SELECT recent.id
        FROM public.zoho_outbox AS recent
        -- Between two ids, and not ORDER BY with LIMIT: that, without statistics, read and sorted the whole table.
        WHERE recent.id BETWEEN newest - 10000 AND newest
            AND recent.entity_id = zoho_explain.id
            AND recent.entity_type = zoho_explain.type
    ),
    shown AS (
        -- By an array, and not joined: so the key is used whatever the planner believes of the table.
        SELECT entry.*
        FROM public.zoho_outbox AS entry
        WHERE entry.id = ANY (ARRAY(SELECT known.id FROM known ORDER BY known.id DESC NULLS LAST LIMIT most_entries))
    )
    SELECT
        COALESCE(
            (
                SELECT pg_catalog.jsonb_agg(
                    pg_catalog.to_jsonb(shown) - ARRAY['entity_id', 'entity_type', 'revision'] ORDER BY shown.id DESC
                )
                FROM shown
            ),
            '[]'
        ),
        COALESCE(
            (
                SELECT pg_catalog.jsonb_agg(
                    pg_catalog.jsonb_build_object(
                        'id', attempt.id,
                        'at', attempt.created_at,
                        'status', attempt.status,
                        'number', attempt.attempt_number,
                        'entry', attempt.outbox_id,
                        'duration_ms', attempt.duration_ms,
                        'api_calls', attempt.api_calls,
                        'zoho_id', attempt.zoho_entity_id,
                        'zoho_code', attempt.zoho_code,
                        'failure_class', attempt.failure_class,
                        'error', attempt.error_message,
                        'request', attempt.request_payload,
                        'response', attempt.response_payload
                    )
                    ORDER BY attempt.created_at DESC
                )
                FROM attempt
            ),
            '[]'
        )
    INTO entries, attempts;

    IF host.is_readable IS NULL AND mine.entity_id IS NULL AND entries = '[]' AND attempts = '[]' THEN
        RAISE EXCEPTION 'there is no % %, and there never was since installation', zoho_explain.type, zoho_explain.id
            USING ERRCODE = 'no_data_found',
                  HINT = pg_catalog.format(
                      'Check type and id. The rows there are: SELECT id FROM %s.', zoho_outbox_private.host_table(zoho_explain.type)
                  );
    END IF;

    handle := COALESCE(NULLIF(host.known_as, ''), zoho_explain.id::pg_catalog.text);
    typed := zoho_outbox_private.typed(zoho_explain.type, handle);
    in_row := NULLIF(pg_catalog.btrim(host.zoho_id), '');
    zoho_id := COALESCE(mine.zoho_id, in_row);
    enqueue := pg_catalog.format(
        'to have it sent: zoho-outbox sync %s, or UPDATE public.%s SET zoho_sync_status = ''pending'' WHERE id = ''%s''',
        typed, zoho_outbox_private.host_table(zoho_explain.type), zoho_explain.id
    );
    silent := zoho_outbox_private.silent_triggers(zoho_explain.type);
    SELECT stop.* INTO obstacle
    FROM zoho_outbox_private.obstacle(typed, COALESCE(mine.urgency, 10::pg_catalog.int2)) AS stop;
    SELECT
        pg_catalog.format(
            CASE WHEN session.id IS NULL THEN 'a process that is gone (session %4$s)' ELSE 'the %1$s on %2$s, pid %3$s' END,
            session.kind, session.host, session.pid, mine.lease_session
        )
    INTO holder
    FROM (SELECT mine.lease_session AS id) AS lease
    LEFT JOIN zoho_outbox_private.session AS session ON session.id = lease.id
    WHERE lease.id IS NOT NULL;

    -- What is being sent outranks a new change, and that outranks what was before.
    IF mine.phase = 'leased' AND mine.lease_until < moment_now THEN
        told_where := 'leased';
        told_why := pg_catalog.format(
            'processing, but %s has not renewed its lease, which ended at %s', holder,
            zoho_outbox_private.moment(mine.lease_until)
        );
        told_next := CASE
            WHEN obstacle.daemons = 0
                THEN 'start the daemon (systemctl start zoho-outbox): it takes the row over, and looks before it creates anything'
            ELSE 'nothing: a running daemon takes it over within seconds, and looks before it creates anything'
        END;
    ELSIF mine.phase = 'leased' THEN
        told_where := 'leased';
        told_why := pg_catalog.format(
            'processing: %s sends it since %s', holder, zoho_outbox_private.moment(mine.leased_at)
        );
        told_next := 'nothing: look again in a moment';
    ELSIF fresh > 0 OR mine.phase = 'ready' THEN
        told_where := 'ready';
        told_why := CASE
            WHEN fresh > 0 THEN 'pending: its last change was captured and is to be sent'
            ELSE 'pending since ' || zoho_outbox_private.moment(mine.due_at)
        END;
        told_next := 'nothing: a daemon takes it in its order, look again in a moment';
    ELSIF mine.phase = 'scheduled' THEN
        told_where := 'scheduled';
        told_why := CASE
            WHEN mine.fate_unknown_at IS NOT NULL
                THEN pg_catalog.format(
                    'a create left at %s and its fate is unknown: Zoho is searched for it again at %s, and nothing is created before that',
                    zoho_outbox_private.moment(mine.fate_unknown_at), zoho_outbox_private.moment(mine.due_at)
                )
            ELSE pg_catalog.format(
                'retrying: attempt %s is made at %s, after: %s', mine.attempts + 1,
                zoho_outbox_private.moment(mine.due_at), zoho_outbox_private.one_line(mine.last_error)
            )
        END;
        told_next := pg_catalog.format('nothing: it is tried by itself; at once with zoho-outbox sync %s', typed);
    ELSIF mine.phase = 'waiting' THEN
        told_where := 'waiting';
        SELECT entry.item ->> 'waiting_for' INTO waiting_for
        FROM pg_catalog.jsonb_array_elements(entries) WITH ORDINALITY AS entry (item, place)
        WHERE entry.item ->> 'status' = 'waiting'
        ORDER BY entry.place
        LIMIT 1;
        waiting_for := zoho_outbox_private.one_line(waiting_for);
        awaited := pg_catalog.jsonb_build_object('type', mine.waits_for_type, 'id', mine.waits_for_id);
        IF mine.waits_for_type = 'package' THEN
            told_why := 'waiting for ' || COALESCE(NULLIF(waiting_for, '-'), 'package ' || mine.waits_for_id);
            told_next := 'publish the package; this row is sent by itself as soon as that is done';
        ELSE
            SELECT
                found.is_readable, found.known_as, state.phase, state.zoho_id, state.usable_id, state.last_error, state.due_at
            INTO parent
            FROM (SELECT 1) AS one
            LEFT JOIN zoho_outbox_private.host_row(mine.waits_for_type, mine.waits_for_id) AS found ON true
            LEFT JOIN zoho_outbox_private.entity_state AS state
                ON state.entity_id = mine.waits_for_id AND state.entity_type = mine.waits_for_type;
            awaited := awaited || pg_catalog.jsonb_build_object(
                'named', mine.waits_for_type || ' ' || COALESCE(NULLIF(parent.known_as, ''), mine.waits_for_id::pg_catalog.text),
                'phase', parent.phase,
                'zoho_id', parent.zoho_id,
                'last_error', parent.last_error,
                'exists', parent.is_readable IS NOT NULL
            );
            parent_typed := 'zoho-outbox explain ' || zoho_outbox_private.typed(
                mine.waits_for_type, COALESCE(NULLIF(parent.known_as, ''), mine.waits_for_id::pg_catalog.text)
            );
            IF waiting_for = '-' THEN
                waiting_for := awaited ->> 'named';
            END IF;
            IF parent.phase = 'dead' THEN
                told_why := pg_catalog.format(
                    'waiting for %s, which is dead since %s: %s', awaited ->> 'named',
                    zoho_outbox_private.moment(parent.due_at), zoho_outbox_private.one_line(parent.last_error)
                );
                told_next := pg_catalog.format(
                    'mend that one; when it is in Zoho, this row is sent by itself (%s tells more)', parent_typed
                );
            ELSIF parent.usable_id IS NOT NULL AND NOT mine.waits_for_rest THEN
                told_why := pg_catalog.format('waited for %s, which is in Zoho by now', waiting_for);
                told_next := 'nothing: a daemon takes it in its order, look again in a moment';
            ELSIF parent.is_readable IS NULL AND parent.phase IS NULL THEN
                told_why := 'waiting for ' || waiting_for;
                told_next := 'correct the row that names it; this row is sent by itself as soon as there is such a row and it is in Zoho';
            ELSE
                told_why := 'waiting for ' || waiting_for;
                told_next := pg_catalog.format(
                    'nothing: it is sent by itself as soon as that is in Zoho; %s says why it is not', parent_typed
                );
            END IF;
        END IF;
    ELSIF mine.phase = 'dead' THEN
        told_where := 'dead';
        told_why := pg_catalog.format(
            'dead since %s: %s', zoho_outbox_private.moment(mine.due_at), zoho_outbox_private.one_line(mine.last_error)
        );
        told_next := pg_catalog.format(
            'mend what it says; an edit of the row sends it again, as does zoho-outbox sync %s, or SELECT * FROM zoho_outbox_replay_entity(''%s'', ''%s'')',
            typed, zoho_explain.type, zoho_explain.id
        );
    ELSIF mine.phase = 'idle' THEN
        told_where := 'idle';
        IF mine.shown_status = 'skipped' THEN
            SELECT entry.item INTO set_aside
            FROM pg_catalog.jsonb_array_elements(entries) WITH ORDINALITY AS entry (item, place)
            WHERE entry.item ->> 'status' = 'skipped'
            ORDER BY entry.place
            LIMIT 1;
            told_why := CASE
                WHEN set_aside ->> 'outcome' = 'set_aside'
                    THEN pg_catalog.format(
                        'skipped: set aside by %s at %s: %s', set_aside ->> 'requested_by',
                        zoho_outbox_private.moment((set_aside ->> 'finished_at')::pg_catalog.timestamptz),
                        zoho_outbox_private.one_line(COALESCE(mine.last_error, set_aside ->> 'last_error'))
                    )
                ELSE 'skipped: ' || zoho_outbox_private.one_line(COALESCE(mine.last_error, set_aside ->> 'last_error'))
            END;
            told_next := 'nothing is sent unless the row changes, or is replayed: SELECT * FROM zoho_outbox_replay_entity('
                || pg_catalog.quote_literal(zoho_explain.type) || ', ' || pg_catalog.quote_literal(zoho_explain.id) || ')';
        ELSIF mine.zoho_id IS NULL AND in_row IS NOT NULL THEN
            told_why := pg_catalog.format(
                'at rest; its id column names %s, and no such record is known: the change of the id was not captured', in_row
            );
            told_next := enqueue;
        ELSIF mine.zoho_id IS NULL THEN
            told_why := 'at rest and not in Zoho: its last entry was taken back before anything was sent';
            told_next := enqueue;
        ELSIF host.is_readable AND in_row IS NULL AND mine.write_back_zoho_id IS NULL THEN
            told_why := pg_catalog.format('its Zoho id %s was cleared by hand, which means forget it', mine.zoho_id);
            told_next := pg_catalog.format(
                'the next change, or zoho-outbox sync %s, searches Zoho and creates it only if it is not there', typed
            );
        ELSIF in_row <> mine.zoho_id THEN
            told_why := pg_catalog.format(
                'its id column names %s, and the record that is known to be its is %s: the change of the id was not captured',
                in_row, mine.zoho_id
            );
            told_next := enqueue;
        ELSE
            told_why := pg_catalog.format(
                'in sync since %s as Zoho %s %s', zoho_outbox_private.moment(COALESCE(mine.sent_at, host.last_synced_at)),
                zoho_explain.type, mine.zoho_id
            ) || CASE
                WHEN mine.last_error IS NULL THEN ''
                ELSE ' (' || zoho_outbox_private.one_line(mine.last_error) || ')'
            END;
            told_next := CASE
                WHEN mine.write_back_due IS NOT NULL
                    THEN 'nothing: its status columns are written as soon as the row''s lock is free'
                ELSE 'nothing'
            END;
        END IF;
    ELSE
        told_where := 'never_captured';
        told_why := CASE
            WHEN silent IS NOT NULL
                THEN pg_catalog.format(
                    'never captured: on public.%s these triggers are missing or disabled: %s',
                    zoho_outbox_private.host_table(zoho_explain.type), silent
                )
            WHEN in_row IS NOT NULL
                THEN pg_catalog.format(
                    'never captured: whether Zoho has it as %s, as its id column says, was never looked at', in_row
                )
            WHEN host.is_readable
                THEN 'never captured: it has not changed since zoho-outbox was installed, or the change went past the triggers'
            WHEN host.is_readable IS NULL
                THEN 'never captured, and there is no such row any more: its attempts are older than what the outbox remembers'
            ELSE 'never captured: it has not changed since installation, as far as can be seen without the right to read it'
        END;
        told_next := enqueue || ' (a row that is not to be sent is then skipped with the reason)';
    END IF;

    -- What holds everything up is told of whatever is to be sent.
    IF obstacle.why IS NOT NULL
        AND (told_where IN ('ready', 'scheduled') OR told_where = 'waiting' AND told_why LIKE 'waited for %')
    THEN
        told_why := told_why || '; ' || obstacle.why;
        told_next := obstacle.next;
    END IF;
    IF silent IS NOT NULL THEN
        IF told_where <> 'never_captured' THEN
            told_why := told_why || pg_catalog.format(
                '; newer changes may be missing: on public.%s these triggers are missing or disabled: %s',
                zoho_outbox_private.host_table(zoho_explain.type), silent
            );
        END IF;
        told_next := pg_catalog.format(
            'have the triggers back (zoho-outbox migrate; ALTER TABLE public.%s ENABLE ALWAYS TRIGGER for a disabled one); then ',
            zoho_outbox_private.host_table(zoho_explain.type)
        ) || CASE WHEN told_next LIKE 'nothing%' THEN enqueue ELSE told_next END;
    END IF;

    RETURN pg_catalog.jsonb_build_object(
        'type', zoho_explain.type,
        'id', zoho_explain.id,
        'named', zoho_explain.type || ' ' || handle,
        'zoho_id', zoho_id,
        'zoho_path', '#/' || CASE zoho_explain.type
            WHEN 'customer' THEN 'customers'
            WHEN 'subscription' THEN 'subscriptions'
            WHEN 'invoice' THEN 'invoices'
            ELSE 'payments'
        END || '/' || zoho_id,
        'zoho_organization_id', (SELECT single.zoho_organization_id FROM zoho_outbox_private.installation AS single LIMIT 1),
        'where', told_where,
        'why', told_why,
        'next', told_next,
        'row', CASE
            WHEN host.is_readable
                THEN pg_catalog.jsonb_build_object(
                    'known_as', host.known_as,
                    'zoho_id', host.zoho_id,
                    'sync_status', host.sync_status,
                    'last_synced_at', host.last_synced_at,
                    'last_sync_error', host.last_sync_error
                )
        END,
        'row_is_there', host.is_readable IS NOT NULL,
        'state', CASE
            WHEN mine.entity_id IS NOT NULL
                THEN pg_catalog.jsonb_build_object(
                    'phase', mine.phase,
                    'due_at', mine.due_at,
                    'urgency', mine.urgency,
                    'attempts', mine.attempts,
                    'zoho_id', mine.zoho_id,
                    'sent_at', mine.sent_at,
                    'fate_unknown_at', mine.fate_unknown_at,
                    'host_deleted_at', mine.host_deleted_at,
                    'last_error', mine.last_error,
                    'shown_status', mine.shown_status,
                    'write_back_due', mine.write_back_due,
                    'leased_at', mine.leased_at,
                    'lease_until', mine.lease_until,
                    'holder', holder
                )
        END,
        'not_admitted', fresh,
        'awaited', awaited,
        'organisation', obstacle.state,
        -- What the latest comparison with Zoho said of it; empty: nothing, or it was not compared yet.
        'reconciled', (
            SELECT COALESCE(
                pg_catalog.jsonb_agg(
                    pg_catalog.jsonb_build_object(
                        'finding', finding.finding,
                        'kind', finding.kind,
                        'said', finding.said,
                        'mend', finding.mend,
                        'found_at', finding.found_at,
                        'enqueued_at', finding.enqueued_at
                    )
                    ORDER BY finding.id
                ),
                '[]'
            )
            FROM zoho_outbox_private.reconciliation_finding AS finding
            WHERE finding.entity_id = zoho_explain.id
                AND finding.entity_type = zoho_explain.type
                AND finding.run = (
                    SELECT latest.run
                    FROM zoho_outbox_private.reconciliation_part AS latest
                    JOIN zoho_outbox_private.reconciliation AS reconciliation ON reconciliation.id = latest.run
                    WHERE latest.entity_type = zoho_explain.type
                    ORDER BY reconciliation.started_at DESC
                    LIMIT 1
                )
        ),
        'entries', entries,
        'attempts', attempts
    );
END
$function$;

COMMENT ON FUNCTION public.zoho_explain(text, uuid) IS
    'Why a row is where it is and what to do next: type, id, named, zoho_id, zoho_path, where, why, next, row, state, awaited, reconciled, entries, attempts';

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
