-- Capture: what the triggers on the host's tables do. Which columns each trigger watches is decided by the columns
-- that are present (outbox/migration/steps.py).
--
-- These functions run in the application's own transaction, with its data, its rights and its search_path. So:
-- nothing in them depends on any of the three (SECURITY DEFINER, empty search_path, constants and ids only; types that
-- are no keywords are qualified too: with an empty path, a caller's temporary table named "text" would be one), and
-- nothing is swallowed: where the outbox cannot be written, the application's write fails too and nothing is lost.
--
-- The bell is rung only when an idle daemon wants it, and never into a notification queue that is filling up: a full
-- queue would make the application's COMMIT fail. NOTIFY is latency; polling is the contract.
--
-- What an INSERT of one row costs the server, in microseconds of CPU at 64 clients on 2 cores, PostgreSQL 18, medians
-- of three runs that took turns (a run varies by 10): no trigger 76, the bare trigger of tests/bench 105 to 114, these
-- 163 to 181. CPU is what is short: no core is idle, and there are no more context switches than without a trigger.
-- Throughput beside the bare trigger at 1 / 8 / 64 clients: 0.80 (middle half of the pairs 0.57 to 0.88) / 0.75 / 0.67.
-- What costs, by leaving it out: the check of five domains (constants, DEFAULTs and NULLs too are checked for each
-- row) some 25, the query of the bell 10 to 15, both indexes 10, the definer's rights and the empty path 10 at most.
-- No gain beyond the noise: without zoho_outbox_not_admitted alone, by row in place of by statement, without SET
-- search_path alone, without the other triggers of the table.
-- Tried and left:
-- * Words from IMMUTABLE functions that return the domain, which the planner makes checked constants of. 1.10 and 1.02
--   of this file at 64 clients in two series (8 and 10 pairs), the same CPU: no gain that can be told from noise.
-- * With them, the bell as a sequence that a trigger on the row keeps, asked by pg_sequence_last_value, which needs no
--   executor: 1.12 and 1.13 in the same series, 0.77 of the bare trigger; bulk loads as before, updates too noisy to
--   tell. But that function is in no PostgreSQL documentation: where a version drops it, every write of the host's
--   would fail.
-- * CACHE for the key's sequence was not tried: the entries of one row are numbered in the order of its life, and
--   admission relies on it (admit_entries.sql); numbers that sessions keep in store would break that.

SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
    SELECT TG_ARGV[0], captured.id, 'inserted'
    FROM captured;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_inserted() IS
    'AFTER INSERT FOR EACH STATEMENT, transition table "captured". Argument: entity type';

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
    VALUES (TG_ARGV[0], NEW.id, 'updated');

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_updated() IS
    'AFTER UPDATE OF mapped columns FOR EACH ROW, when one of them changed. Argument: entity type';

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_requested() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, requested_by)
    VALUES (TG_ARGV[0], NEW.id, 'requested', 'operator', zoho_outbox_private.acting());

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_requested() IS
    'AFTER UPDATE OF zoho_sync_status FOR EACH ROW, when it was set to pending (also where it said so already; the daemon never writes it). Argument: entity type';

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_id_set() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    new_zoho_id pg_catalog.text := pg_catalog.to_jsonb(NEW) ->> TG_ARGV[1];
BEGIN
    -- The daemon's own write-back is told apart by what it wrote: settle_claims.sql records the id in the same
    -- statement, and an AFTER trigger sees that statement's work. (A marker in the session would be lost, or
    -- would stay behind, in a pooler's transaction mode.)
    PERFORM
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.entity_id = NEW.id AND state.entity_type = TG_ARGV[0] AND state.zoho_id = new_zoho_id
        AND (
            COALESCE(pg_catalog.to_jsonb(OLD) ->> TG_ARGV[1], '') = ''
            -- A record that follows one that has ended takes its place; only the daemon writes the state row.
            OR state.xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid
        );
    IF FOUND THEN
        RETURN NULL;
    END IF;

    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, requested_by, zoho_id)
    VALUES (TG_ARGV[0], NEW.id, 'id_set', 'operator', zoho_outbox_private.acting(), new_zoho_id);

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_id_set() IS
    'AFTER UPDATE OF the Zoho id column FOR EACH ROW, when another hand set it. Arguments: entity type, column';

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change, zoho_id)
    SELECT TG_ARGV[0], captured.id, 'deleted', pg_catalog.to_jsonb(captured) ->> TG_ARGV[1]
    FROM captured;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_deleted() IS
    'AFTER DELETE FOR EACH STATEMENT, transition table "captured". Arguments: entity type, Zoho id column';

-- row_security: pg_restore turns it off, and then a role that policies apply to may not read the table at all.
CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET row_security = on AS $function$
BEGIN
    -- Every row goes, and after it nobody can tell which there were. TRUNCATE of a large table becomes as dear as
    -- reading it once; the alternative is to learn of it from reconciliation, days later.
    EXECUTE pg_catalog.format(
        'INSERT INTO public.zoho_outbox (entity_type, entity_id, change, zoho_id)
         SELECT %L, host.id, ''truncated'', host.%I FROM %I.%I AS host',
        TG_ARGV[0], TG_ARGV[1], TG_TABLE_SCHEMA, TG_TABLE_NAME
    );

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_truncated() IS
    'BEFORE TRUNCATE FOR EACH STATEMENT. Arguments: entity type, Zoho id column';

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_service_customers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
    SELECT DISTINCT 'customer', captured.customer_id, 'related'
    FROM captured
    WHERE captured.activation_date IS NOT NULL AND captured.installation_address IS NOT NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_service_customers() IS
    'AFTER INSERT or DELETE on customer_services FOR EACH STATEMENT, transition table "captured": a customer''s address is that of the service activated last';

CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_service_customer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
    VALUES ('customer', NEW.customer_id, 'related');
    IF OLD.customer_id <> NEW.customer_id THEN
        INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
        VALUES ('customer', OLD.customer_id, 'related');
    END IF;

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_service_customer() IS
    'AFTER UPDATE on customer_services FOR EACH ROW, when address, activation or owner changed';

-- Reads our own table alone: the services that wait. One that begins to wait while the publishing transaction is under
-- way is seen by wake_published.sql.
CREATE OR REPLACE FUNCTION zoho_outbox_private.capture_published() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
    SELECT state.entity_type, state.entity_id, 'related'
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'waiting'
        AND state.waits_for_type = 'package'
        AND state.waits_for_id = (pg_catalog.to_jsonb(NEW) ->> TG_ARGV[0])::pg_catalog.uuid;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.capture_published() IS
    'AFTER INSERT or UPDATE FOR EACH ROW on product_integrations and service_packages, when a package was published or got its sku. Argument: column with the package''s id';
