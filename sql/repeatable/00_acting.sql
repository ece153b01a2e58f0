-- Who acts. Before the others, because what a host's UPDATE runs asks for it from the moment it is replaced.

SET LOCAL ROLE zoho_outbox_owner;

-- The dashboard's people act through the daemon's one login: it names them, for one transaction at a time (SET LOCAL,
-- which a pooler's transaction mode keeps apart). Believed of the daemon's role alone: whoever logs in as himself is
-- who he logged in as, whatever his session says of itself. (USAGE and not MEMBER: from PostgreSQL 16 on, whoever made
-- a role is a member of it in name.) to_regrole: in a copy that was restored without its roles a missing one is no error,
-- which would fail the host's own UPDATE.
CREATE OR REPLACE FUNCTION zoho_outbox_private.acting() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
    SELECT
        CASE
            WHEN pg_catalog.pg_has_role(session_user, pg_catalog.to_regrole('zoho_outbox_daemon'), 'USAGE')
                THEN COALESCE(
                    NULLIF(
                        pg_catalog.left(
                            pg_catalog.btrim(pg_catalog.current_setting('zoho_outbox.operator', true)), 100
                        ),
                        ''
                    ),
                    session_user::pg_catalog.text
                )
            ELSE session_user::pg_catalog.text
        END
$function$;

COMMENT ON FUNCTION zoho_outbox_private.acting() IS
    'Who asks for what is done: session_user, or whom a session of the daemon''s names in zoho_outbox.operator (set_config with is_local)';

RESET ROLE;
