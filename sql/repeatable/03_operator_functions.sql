-- What operators start by SQL. SECURITY DEFINER: they write private state; executable by zoho_outbox_operator and
-- the daemon alone; who did it is session_user.

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
    SET paused_at = pg_catalog.clock_timestamp(), paused_by = session_user, paused_why = reason;
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
    SET paused_at = NULL, paused_by = NULL, paused_why = NULL;
    PERFORM pg_catalog.pg_notify('zoho_outbox', '');
    RETURN pg_catalog.format(
        'resumed; was paused since %s by %s: %s', earlier.paused_at, earlier.paused_by,
        COALESCE(earlier.paused_why, 'no reason given')
    );
END
$function$;

COMMENT ON FUNCTION public.zoho_outbox_resume() IS 'Ends a pause; what was enqueued meanwhile is sent in its order';

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
