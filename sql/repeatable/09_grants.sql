-- Who may do what. Supabase's default privileges grant everything new in public to anon, authenticated and
-- service_role by name, so each object is first taken from everybody who is not ours, then given out.
-- A zoho_sync_logs that was there before us keeps the grants its owner gave it.

DO $revoke$
DECLARE
    object record;
BEGIN
    FOR object IN
        SELECT
            CASE class.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END        AS kind,
            format('%I.%I', namespace.nspname, class.relname)                   AS name,
            CASE grantee.oid WHEN 0 THEN 'PUBLIC' ELSE quote_ident(role.rolname) END AS grantee
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        CROSS JOIN LATERAL (
            SELECT DISTINCT acl.grantee AS oid FROM pg_catalog.aclexplode(class.relacl) AS acl
        ) AS grantee
        LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = grantee.oid
        WHERE class.relowner = 'zoho_outbox_owner'::regrole
          AND class.relkind IN ('r', 'v', 'S')
          AND namespace.nspname IN ('public', 'zoho_outbox_private')
          AND grantee.oid <> class.relowner
          -- sync_logs_access.sql gave these, whoever owns the table.
          AND (class.relname <> 'zoho_sync_logs' OR role.rolname IS NULL
              OR role.rolname NOT IN ('zoho_outbox_daemon', 'zoho_outbox_operator'))
        UNION ALL
        SELECT
            'FUNCTION',
            format('%I.%I(%s)', namespace.nspname, proc.proname, pg_catalog.pg_get_function_identity_arguments(proc.oid)),
            CASE grantee.oid WHEN 0 THEN 'PUBLIC' ELSE quote_ident(role.rolname) END
        FROM pg_catalog.pg_proc AS proc
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = proc.pronamespace
        CROSS JOIN LATERAL (
            SELECT DISTINCT acl.grantee AS oid
            FROM pg_catalog.aclexplode(COALESCE(proc.proacl, pg_catalog.acldefault('f', proc.proowner))) AS acl
        ) AS grantee
        LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = grantee.oid
        WHERE proc.proowner = 'zoho_outbox_owner'::regrole
          AND namespace.nspname IN ('public', 'zoho_outbox_private')
          AND grantee.oid <> proc.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %s', object.kind, object.name, object.grantee);
    END LOOP;
END
$revoke$;

SET LOCAL ROLE zoho_outbox_owner;

GRANT USAGE ON SCHEMA zoho_outbox_private TO zoho_outbox_daemon, zoho_outbox_operator;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA zoho_outbox_private TO zoho_outbox_daemon;
REVOKE INSERT, UPDATE, DELETE
    ON zoho_outbox_private.migration, zoho_outbox_private.host_change, zoho_outbox_private.forgotten
    FROM zoho_outbox_daemon;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.zoho_outbox TO zoho_outbox_daemon;
GRANT SELECT ON public.zoho_outbox_overview, public.zoho_outbox_dead, public.zoho_sync_daily TO zoho_outbox_daemon;

-- All but intent_keys: what a create was looked up by holds e-mail addresses.
GRANT SELECT (
    entity_id, entity_type, phase, urgency, due_at, arrived_since_claim, born_here, attempts,
    lease_token, lease_until, lease_session, leased_at, zoho_id, sent_hash, sent_at, intents,
    intent_at, fate_unknown_at, clean_look_at, inserted_entry, deleted_entry, host_deleted_at,
    waits_for_type, waits_for_id, waits_for_dead, waits_for_rest, usable_id, last_error, shown_status, shown_error, write_back_due,
    write_back_zoho_id, taken_over
) ON zoho_outbox_private.entity_state TO zoho_outbox_operator;
GRANT SELECT ON
    zoho_outbox_private.session,
    zoho_outbox_private.installation,
    zoho_outbox_private.organisation,
    zoho_outbox_private.day_budget,
    zoho_outbox_private.request_budget,
    zoho_outbox_private.request_slot,
    zoho_outbox_private.token_mint,
    zoho_outbox_private.rate_limit_day,
    zoho_outbox_private.forgotten,
    zoho_outbox_private.reconciliation,
    zoho_outbox_private.reconciliation_part,
    zoho_outbox_private.reconciliation_finding,
    zoho_outbox_private.reconciliation_sum,
    zoho_outbox_private.migration,
    zoho_outbox_private.host_change
TO zoho_outbox_operator;
-- UPDATE of more than status, so that the guard refuses by name what "permission denied for table" would not name.
-- Never of revision: that is how the guard tells the daemon.
GRANT SELECT, DELETE ON public.zoho_outbox TO zoho_outbox_operator;
GRANT UPDATE (
    entity_id, created_at, next_attempt_at, finished_at, attempts, priority, admitted, entity_type, status, change,
    origin, requested_by, requested_at, outcome, waiting_for, last_error, zoho_id
) ON public.zoho_outbox TO zoho_outbox_operator;
GRANT SELECT ON public.zoho_outbox_overview, public.zoho_outbox_dead, public.zoho_sync_daily TO zoho_outbox_operator;

GRANT EXECUTE ON FUNCTION public.zoho_outbox_pause(text) TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_outbox_resume() TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_outbox_replay(bigint) TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_outbox_replay_entity(text, uuid) TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_outbox_replay_dead(text, timestamptz) TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_outbox_skip(bigint, text) TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_outbox_forget(uuid, text) TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION public.zoho_explain(text, uuid) TO zoho_outbox_operator;
-- Behind views: PostgreSQL asks their reader for the right to execute.
GRANT EXECUTE ON FUNCTION zoho_outbox_private.dead_by_cause() TO zoho_outbox_operator;
GRANT EXECUTE ON FUNCTION zoho_outbox_private.sync_by_day() TO zoho_outbox_operator;
-- For whoever groups dead letters by cause in another way than the view does: alert-failed.
GRANT EXECUTE ON FUNCTION zoho_outbox_private.cause(text) TO zoho_outbox_operator;

RESET ROLE;

GRANT USAGE ON SCHEMA public TO zoho_outbox_daemon, zoho_outbox_operator;
