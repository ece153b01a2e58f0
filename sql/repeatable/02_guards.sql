-- Guards on zoho_outbox: an operator may say "again" and may delete what is finished; nothing else by hand.
--
-- The daemon is told apart by the revision, which each of its statements raises: no role to look up, no marker in
-- the session (lost in a pooler's transaction mode), and its own updates do not even call the function.

SET LOCAL ROLE zoho_outbox_owner;

CREATE OR REPLACE FUNCTION zoho_outbox_private.guard_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
DECLARE
    changed pg_catalog.text;
BEGIN
    SELECT pg_catalog.string_agg(wished.key, ', ' ORDER BY wished.key) INTO changed
    FROM pg_catalog.jsonb_each(pg_catalog.to_jsonb(NEW)) AS wished
    JOIN pg_catalog.jsonb_each(pg_catalog.to_jsonb(OLD)) AS present ON present.key = wished.key
    WHERE wished.key <> 'status' AND wished.value <> present.value;
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'zoho_outbox %: % cannot be changed by hand, only status can', OLD.id, changed
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'UPDATE zoho_outbox SET status = ''pending'' WHERE id = ... replays an entry; everything else is the daemon''s.';
    END IF;
    IF NEW.status <> 'pending' THEN
        RAISE EXCEPTION 'zoho_outbox %: status can be set to pending only, not to %', OLD.id, NEW.status
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'To set a dead or waiting entry aside: SELECT zoho_outbox_skip(id, ''reason'').';
    END IF;

    IF OLD.status = 'processing' THEN
        INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, requested_by)
        VALUES (OLD.entity_type, OLD.entity_id, 'requested', 'operator', zoho_outbox_private.acting());
        RAISE NOTICE 'zoho_outbox %: is being sent now; a new entry runs after it', OLD.id;
        NEW := OLD;
    ELSE
        -- What the entry said is kept where it still has to be heard, and of a deletion always.
        IF OLD.admitted AND OLD.change NOT IN ('deleted', 'truncated') THEN
            NEW.change := 'requested';
        END IF;
        NEW.origin := 'operator';
        NEW.requested_by := zoho_outbox_private.acting();
        -- Of the transaction: hundreds that are replayed in one are bulk, and a live change goes before them.
        NEW.requested_at := pg_catalog.now();
        NEW.priority := 10;
        NEW.attempts := 0;
        NEW.admitted := false;
        NEW.revision := OLD.revision + 1;
        NEW.next_attempt_at := NULL;
        NEW.finished_at := NULL;
        NEW.outcome := NULL;
        NEW.waiting_for := NULL;
    END IF;

    PERFORM pg_catalog.pg_notify('zoho_outbox', '')
    FROM zoho_outbox_private.bell AS bell
    WHERE bell.wanted AND pg_catalog.pg_notification_queue_usage() < 0.5;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.guard_update() IS 'BEFORE UPDATE by anybody but the daemon: replays the entry, or refuses by name';

CREATE OR REPLACE FUNCTION zoho_outbox_private.guard_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    RAISE EXCEPTION 'zoho_outbox %: is %, only finished entries (done, skipped) can be deleted', OLD.id, OLD.status
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'To set a dead or waiting entry aside: SELECT zoho_outbox_skip(id, ''reason'').';
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.guard_delete() IS 'BEFORE DELETE of an unfinished entry: refuses';

CREATE OR REPLACE FUNCTION zoho_outbox_private.guard_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
    RAISE EXCEPTION 'zoho_outbox: TRUNCATE would lose unfinished entries'
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'DELETE FROM zoho_outbox WHERE status IN (''done'', ''skipped'')';
END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.guard_truncate() IS 'BEFORE TRUNCATE: refuses';

DROP TRIGGER IF EXISTS zoho_outbox_guard_update ON public.zoho_outbox;
CREATE TRIGGER zoho_outbox_guard_update BEFORE UPDATE ON public.zoho_outbox
    FOR EACH ROW WHEN (NEW.revision = OLD.revision)
    EXECUTE FUNCTION zoho_outbox_private.guard_update();
ALTER TABLE public.zoho_outbox ENABLE ALWAYS TRIGGER zoho_outbox_guard_update;

DROP TRIGGER IF EXISTS zoho_outbox_guard_delete ON public.zoho_outbox;
CREATE TRIGGER zoho_outbox_guard_delete BEFORE DELETE ON public.zoho_outbox
    FOR EACH ROW WHEN (OLD.status NOT IN ('done', 'skipped'))
    EXECUTE FUNCTION zoho_outbox_private.guard_delete();
ALTER TABLE public.zoho_outbox ENABLE ALWAYS TRIGGER zoho_outbox_guard_delete;

DROP TRIGGER IF EXISTS zoho_outbox_guard_truncate ON public.zoho_outbox;
CREATE TRIGGER zoho_outbox_guard_truncate BEFORE TRUNCATE ON public.zoho_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION zoho_outbox_private.guard_truncate();
ALTER TABLE public.zoho_outbox ENABLE ALWAYS TRIGGER zoho_outbox_guard_truncate;
