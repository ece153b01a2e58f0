-- zoho_outbox_forget: what the sync has stored of a customer, blanked. The host's own tables and Zoho are not touched:
-- who must be forgotten there is removed there.
--
-- Held are names, e-mail addresses and the like in payloads of attempts (masked unless OUTBOX_LOG_PAYLOADS=full), in
-- the reasons that entries, attempts and state rows carry, in what reconciliation found and alerts told, in what earlier
-- creates were looked up by, and in Zoho's lists. What identifies the rows stays: ids, states, moments, numbers of
-- requests.

GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

-- What hangs on a customer: by the host's tables as they are, and, where rows are gone there, by what was told to Zoho.
-- The invoice of a payment stands in one of two columns, and the newer one need not be there: hence jsonb.
CREATE OR REPLACE FUNCTION zoho_outbox_private.of_customer(customer uuid)
RETURNS TABLE (entity_type text, entity_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET row_security = on AS $function$
DECLARE
    customer_zoho_id pg_catalog.text;
    newer_column     pg_catalog.bool;
BEGIN
    SELECT state.zoho_id INTO customer_zoho_id
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = customer AND state.entity_type = 'customer';

    RETURN QUERY
    SELECT 'customer'::pg_catalog.text, customer
    UNION
    SELECT 'subscription', service.id
    FROM public.customer_services AS service
    WHERE service.customer_id = customer
    UNION
    SELECT 'invoice', invoice.id
    FROM public.customer_invoices AS invoice
    WHERE invoice.customer_id = customer
    UNION
    SELECT 'payment', payment.id
    FROM public.payment_transactions AS payment
    WHERE payment.customer_id = customer
    UNION
    SELECT 'payment', payment.id
    FROM public.customer_invoices AS invoice
    JOIN public.payment_transactions AS payment ON payment.invoice_id = invoice.id
    WHERE invoice.customer_id = customer
    UNION
    -- Reads the whole log; nothing else knows what a deleted row belonged to.
    SELECT log.entity_type, log.entity_id
    FROM public.zoho_sync_logs AS log
    WHERE customer_zoho_id IS NOT NULL
        AND log.entity_type IN ('subscription', 'invoice', 'payment')
        AND customer_zoho_id IN (
            log.request_payload -> 'body' ->> 'customer_id',
            log.response_payload -> 'body' -> 'subscription' -> 'customer' ->> 'customer_id',
            log.response_payload -> 'body' -> log.entity_type ->> 'customer_id'
        );

    SELECT EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS attribute
        JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = 'public'
            AND class.relname = 'payment_transactions'
            AND attribute.attname = 'customer_invoice_id'
            AND NOT attribute.attisdropped
    )
    INTO newer_column;
    IF newer_column THEN
        RETURN QUERY
        SELECT 'payment'::pg_catalog.text, payment.id
        FROM public.customer_invoices AS invoice
        JOIN public.payment_transactions AS payment ON payment.customer_invoice_id = invoice.id
        WHERE invoice.customer_id = customer;
    END IF;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.of_customer(uuid) IS 'A customer and all rows that hang on it, those included that the host has no longer; a row may come twice';

CREATE OR REPLACE FUNCTION public.zoho_outbox_forget(customer_id uuid, reason text)
RETURNS TABLE (what text, changed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
#variable_conflict use_column
DECLARE
    removed CONSTANT pg_catalog.text := '(removed by zoho_outbox_forget)';
    customer        pg_catalog.uuid := zoho_outbox_forget.customer_id;
    types           pg_catalog.text[];
    ids             pg_catalog.uuid[];
    zoho_ids        pg_catalog.text[];
    customer_zoho   pg_catalog.text;
    held            record;
    is_there        pg_catalog.bool;
    attempts        pg_catalog.int8;
    entries         pg_catalog.int8;
    states          pg_catalog.int8;
    findings        pg_catalog.int8;
    alerts          pg_catalog.int8;
    listed          pg_catalog.int8;
    left_listed     pg_catalog.int8;
BEGIN
    IF pg_catalog.btrim(COALESCE(zoho_outbox_forget.reason, '')) = '' THEN
        RAISE EXCEPTION 'customer %: forgetting needs a reason', customer
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'SELECT * FROM zoho_outbox_forget(customer_id, ''why''): who, when and why is recorded.';
    END IF;
    SELECT EXISTS (SELECT FROM public.customers AS host WHERE host.id = customer) INTO is_there;
    IF NOT is_there
        AND NOT EXISTS (
            SELECT FROM zoho_outbox_private.entity_state AS state
            WHERE state.entity_id = customer AND state.entity_type = 'customer'
        )
        AND NOT EXISTS (
            SELECT FROM public.zoho_sync_logs AS log
            WHERE log.entity_id = customer AND log.entity_type = 'customer'
        )
        AND NOT EXISTS (
            SELECT FROM public.zoho_outbox AS entry
            WHERE entry.entity_id = customer AND entry.entity_type = 'customer'
        )
    THEN
        RAISE EXCEPTION 'there is no customer %, and nothing of one is stored', customer
            USING ERRCODE = 'no_data_found',
                  HINT = 'It is the id of a row of customers: SELECT id, account_number FROM customers.';
    END IF;

    SELECT pg_catalog.array_agg(of.entity_type), pg_catalog.array_agg(of.entity_id)
    INTO types, ids
    FROM (SELECT DISTINCT found.* FROM zoho_outbox_private.of_customer(customer) AS found) AS of;

    -- As a claim does: whoever sends one of them comes wholly before or after.
    BEGIN
        PERFORM
        FROM zoho_outbox_private.entity_state AS state
        JOIN unnest(types, ids) AS of (entity_type, entity_id)
            ON of.entity_id = state.entity_id AND of.entity_type = state.entity_type
        ORDER BY state.entity_id, state.entity_type
        FOR UPDATE OF state NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'customer %: the daemon or somebody else''s transaction works on it, or on a row of it, at this moment', customer
            USING ERRCODE = 'lock_not_available', HINT = 'Say it again.';
    END;
    SELECT
        state.entity_type, state.entity_id, state.phase, state.fate_unknown_at
    INTO held
    FROM zoho_outbox_private.entity_state AS state
    JOIN unnest(types, ids) AS of (entity_type, entity_id)
        ON of.entity_id = state.entity_id AND of.entity_type = state.entity_type
    WHERE state.phase = 'leased' OR state.fate_unknown_at IS NOT NULL
    ORDER BY state.phase = 'leased' DESC, state.entity_id
    LIMIT 1;
    IF held.phase = 'leased' THEN
        RAISE EXCEPTION 'customer %: its % % is being sent now, and that attempt is yet to be logged', customer, held.entity_type, held.entity_id
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Say it again after that. SELECT zoho_outbox_pause(''why'') stops all sending.';
    ELSIF held.fate_unknown_at IS NOT NULL THEN
        RAISE EXCEPTION 'customer %: a create of its % % left at % and its fate is unknown', customer, held.entity_type, held.entity_id,
                zoho_outbox_private.moment(held.fate_unknown_at)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Zoho is searched for it by what would be removed; without that it could be created twice. SELECT zoho_explain(type, id) says when; say it again after that.';
    END IF;

    SELECT pg_catalog.array_agg(state.zoho_id)
    INTO zoho_ids
    FROM zoho_outbox_private.entity_state AS state
    JOIN unnest(types, ids) AS of (entity_type, entity_id)
        ON of.entity_id = state.entity_id AND of.entity_type = state.entity_type
    WHERE state.zoho_id IS NOT NULL;
    SELECT state.zoho_id INTO customer_zoho
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = customer AND state.entity_type = 'customer';

    UPDATE public.zoho_sync_logs AS log
    SET
        request_payload = NULL,
        response_payload = NULL,
        error_message = CASE WHEN log.error_message IS NOT NULL THEN removed END
    FROM unnest(types, ids) AS of (entity_type, entity_id)
    WHERE log.entity_id = of.entity_id
        AND log.entity_type = of.entity_type
        AND (
            log.request_payload IS NOT NULL
            OR log.response_payload IS NOT NULL
            OR log.error_message <> removed
        );
    GET DIAGNOSTICS attempts = ROW_COUNT;

    -- The revision is how the guard tells us from an operator's UPDATE. Reads the whole table: no index leads from a
    -- row to its finished entries.
    UPDATE public.zoho_outbox AS entry
    SET last_error = removed, revision = entry.revision + 1
    FROM unnest(types, ids) AS of (entity_type, entity_id)
    WHERE entry.entity_id = of.entity_id AND entry.entity_type = of.entity_type AND entry.last_error <> removed;
    GET DIAGNOSTICS entries = ROW_COUNT;

    UPDATE zoho_outbox_private.entity_state AS state
    SET
        last_error = CASE WHEN state.last_error IS NOT NULL THEN removed END,
        -- The host row shows the same text; the daemon writes it there.
        shown_error = CASE WHEN state.shown_error IS NOT NULL THEN removed END,
        write_back_due = CASE
            WHEN state.shown_error <> removed THEN pg_catalog.clock_timestamp()
            ELSE state.write_back_due
        END,
        intent_keys = of.kept_keys
    FROM (
        -- Kept are keys that are ids alone and are needed: of a subscription, whether it is the service's first (payments
        -- go by it); of a payment, that Zoho took its refund, which is never sent twice.
        SELECT
            held.entity_type,
            held.entity_id,
            ARRAY(
                SELECT intent.key
                FROM unnest(held.intent_keys) WITH ORDINALITY AS intent (key, place)
                WHERE held.entity_type = 'subscription'
                    OR (held.entity_type = 'payment' AND pg_catalog.starts_with(intent.key, 'refund '))
                ORDER BY intent.place
            ) AS kept_keys
        FROM zoho_outbox_private.entity_state AS held
        JOIN unnest(types, ids) AS wanted (entity_type, entity_id)
            ON wanted.entity_id = held.entity_id AND wanted.entity_type = held.entity_type
    ) AS of
    WHERE state.entity_id = of.entity_id
        AND state.entity_type = of.entity_type
        AND (state.last_error <> removed OR state.shown_error <> removed OR state.intent_keys <> of.kept_keys);
    GET DIAGNOSTICS states = ROW_COUNT;

    UPDATE zoho_outbox_private.reconciliation_finding AS finding
    SET said = removed
    FROM unnest(types, ids) AS of (entity_type, entity_id)
    WHERE finding.entity_id = of.entity_id AND finding.entity_type = of.entity_type AND finding.said <> removed;
    GET DIAGNOSTICS findings = ROW_COUNT;

    -- The cause of a dead row as receivers were told it; of several rows, it may quote any of them.
    UPDATE zoho_outbox_private.alert AS alert
    SET said = removed
    WHERE alert.said <> removed
        AND EXISTS (
            SELECT
            FROM unnest(types, ids) AS of (entity_type, entity_id)
            WHERE of.entity_type = alert.entity_type AND of.entity_id = ANY (alert.entity_ids)
        );
    GET DIAGNOSTICS alerts = ROW_COUNT;

    -- A list with a gap proves nothing: whoever looks into it would take a record for absent and create it again. So
    -- the list goes out of use and is read anew when it is needed; of its rows only this customer's go at once, because
    -- somebody may be looking for another record in it at this moment. (For one of this customer's nobody can: its
    -- state row is locked here, and not leased.) A list that is still being read would come to its end with the gap: of
    -- that nothing is taken, and it is said.
    WITH of_customer AS MATERIALIZED (
        SELECT record.listing, record.zoho_id
        FROM zoho_outbox_private.listed_record AS record
        WHERE record.zoho_id = ANY (zoho_ids) OR record.record ->> 'customer_id' = customer_zoho
    ),
    out_of_use AS (
        DELETE FROM zoho_outbox_private.listing AS listing
        WHERE listing.listing IN (SELECT of_customer.listing FROM of_customer)
        RETURNING listing.listing
    ),
    gone AS (
        DELETE FROM zoho_outbox_private.listed_record AS record
        USING of_customer, out_of_use
        WHERE of_customer.listing = out_of_use.listing
            AND record.listing = of_customer.listing
            AND record.zoho_id = of_customer.zoho_id
        RETURNING record.zoho_id
    )
    SELECT
        (SELECT pg_catalog.count(*) FROM gone),
        (SELECT pg_catalog.count(*) FROM of_customer) - (SELECT pg_catalog.count(*) FROM gone)
    INTO listed, left_listed;
    IF left_listed > 0 THEN
        RAISE NOTICE 'customer %: % rows stay in a list of Zoho''s records that is being read', customer, left_listed
            USING HINT = 'They go after two days at the latest; to have them go sooner, say it again once the list is read.';
    END IF;

    INSERT INTO zoho_outbox_private.forgotten (customer_id, forgotten_by, reason, changed)
    VALUES (
        customer,
        zoho_outbox_private.acting(),
        zoho_outbox_forget.reason,
        pg_catalog.jsonb_build_object(
            'zoho_sync_logs', attempts, 'zoho_outbox', entries, 'entity_state', states,
            'reconciliation_finding', findings, 'alert', alerts, 'listed_record', listed,
            'listed_record left', left_listed
        )
    );
    IF is_there THEN
        RAISE NOTICE 'customer %: its row is in customers still; what is sent of it from now on is stored again, as OUTBOX_LOG_PAYLOADS says', customer;
    END IF;
    RETURN QUERY
    VALUES
        ('zoho_sync_logs'::pg_catalog.text, attempts),
        ('zoho_outbox', entries),
        ('entity_state', states),
        ('reconciliation_finding', findings),
        ('alert', alerts),
        ('listed_record', listed),
        ('listed_record left', left_listed);
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_forget(uuid, text) IS
    'Blanks what the sync has stored of a customer and of what hangs on it: payloads, reasons, look-up keys, list rows. Records who, when and why in zoho_outbox_private.forgotten';

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
