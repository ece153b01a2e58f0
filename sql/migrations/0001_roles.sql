-- works-with: 1
--
-- Three roles. They are cluster-wide, so another database of this cluster may have made them already.
--   zoho_outbox_owner     owns what we create; cannot log in. Capture and operator functions run as it.
--   zoho_outbox_daemon    what the daemon connects as. LOGIN without a password: give it one.
--   zoho_outbox_operator  a group: GRANT zoho_outbox_operator TO alice.

DO $roles$
BEGIN
    BEGIN
        CREATE ROLE zoho_outbox_owner NOLOGIN;
        COMMENT ON ROLE zoho_outbox_owner IS 'zoho-outbox: owns its objects; cannot log in';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    BEGIN
        CREATE ROLE zoho_outbox_daemon LOGIN;
        COMMENT ON ROLE zoho_outbox_daemon IS 'zoho-outbox: the daemon connects as this role';
        -- A daemon that is frozen amid a transaction must not hold anything for long.
        ALTER ROLE zoho_outbox_daemon SET idle_in_transaction_session_timeout = '15s';
        -- The daemon gives a statement up after 10 s (30 for admission); the server must not go on with it for ever.
        ALTER ROLE zoho_outbox_daemon SET statement_timeout = '60s';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    BEGIN
        CREATE ROLE zoho_outbox_operator NOLOGIN;
        COMMENT ON ROLE zoho_outbox_operator IS 'zoho-outbox: people who may look, replay, skip, pause';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'zoho_outbox_owner' AND (rolcanlogin OR rolsuper)) THEN
        RAISE EXCEPTION 'role zoho_outbox_owner can log in or is superuser; the functions that run as it must not be so powerful'
            USING HINT = 'ALTER ROLE zoho_outbox_owner NOLOGIN NOSUPERUSER';
    END IF;
    -- Objects can be given to the owner role only by a member of it. PostgreSQL 16 and later make the creator of
    -- a role its administrator but no member; a superuser needs no grant.
    IF pg_catalog.current_setting('server_version_num')::integer < 160000 THEN
        IF NOT pg_catalog.pg_has_role(current_user, 'zoho_outbox_owner', 'USAGE') THEN
            EXECUTE pg_catalog.format('GRANT zoho_outbox_owner TO %I', current_user);
        END IF;
    ELSIF NOT pg_catalog.pg_has_role(current_user, 'zoho_outbox_owner', 'USAGE')
        OR NOT pg_catalog.pg_has_role(current_user, 'zoho_outbox_owner', 'SET')
    THEN
        EXECUTE pg_catalog.format('GRANT zoho_outbox_owner TO %I WITH INHERIT TRUE, SET TRUE', current_user);
    END IF;
    -- The daemon may do what operators may (its dashboard pauses and resumes): by membership, so that operators'
    -- functions are granted to one role alone.
    IF NOT pg_catalog.pg_has_role('zoho_outbox_daemon', 'zoho_outbox_operator', 'MEMBER') THEN
        BEGIN
            GRANT zoho_outbox_operator TO zoho_outbox_daemon;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'zoho_outbox_daemon cannot pause and resume; whoever made the roles: GRANT zoho_outbox_operator TO zoho_outbox_daemon';
        END;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION '%', SQLERRM
        USING ERRCODE = 'insufficient_privilege',
              HINT = pg_catalog.format(
                  'The roles may have been made from another database of this cluster by somebody else. Whoever did, or a superuser: GRANT zoho_outbox_owner TO %I',
                  current_user
              );
END
$roles$;

CREATE SCHEMA IF NOT EXISTS zoho_outbox_private AUTHORIZATION zoho_outbox_owner;

COMMENT ON SCHEMA zoho_outbox_private IS
    'zoho-outbox: what only the daemon writes. Access token, budget, leases, per-entity state. People read public.';

SET LOCAL ROLE zoho_outbox_owner;

-- A new function may be executed by everybody until somebody says otherwise: not even for the time between two steps.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TABLE IF NOT EXISTS zoho_outbox_private.migration (
    name            text        NOT NULL PRIMARY KEY,
    number          integer,
    works_with      integer,
    checksum        text        NOT NULL,
    applied_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by      text        NOT NULL DEFAULT session_user,
    program_version text        NOT NULL
);

COMMENT ON TABLE zoho_outbox_private.migration IS
    'What zoho-outbox migrate has applied: numbered files once, repeatable ones with the checksum of their last text';
COMMENT ON COLUMN zoho_outbox_private.migration.name IS 'file name, or host:<table>:<what> for changes to a host table';
COMMENT ON COLUMN zoho_outbox_private.migration.number IS 'NNNN of a numbered file; NULL for repeatable ones';
COMMENT ON COLUMN zoho_outbox_private.migration.works_with IS 'oldest schema number whose programs work with the schema after this file';
COMMENT ON COLUMN zoho_outbox_private.migration.checksum IS 'SHA-256 of the text that ran';
COMMENT ON COLUMN zoho_outbox_private.migration.applied_at IS 'when';
COMMENT ON COLUMN zoho_outbox_private.migration.applied_by IS 'session_user that ran it';
COMMENT ON COLUMN zoho_outbox_private.migration.program_version IS 'version of zoho-outbox that ran it';

CREATE TABLE IF NOT EXISTS zoho_outbox_private.host_change (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name text        NOT NULL,
    kind       text        NOT NULL,
    name       text        NOT NULL,
    definition text,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT host_change_once UNIQUE (table_name, kind, name),
    CONSTRAINT host_change_kind CHECK (
        kind IN ('table_created', 'column_added', 'check_dropped', 'check_added', 'statuses_reset')
    )
);

COMMENT ON TABLE zoho_outbox_private.host_change IS
    'What was changed about tables that are not ours, so that rollback removes what was added and nothing else';
COMMENT ON COLUMN zoho_outbox_private.host_change.id IS 'order of the changes';
COMMENT ON COLUMN zoho_outbox_private.host_change.table_name IS 'table in public';
COMMENT ON COLUMN zoho_outbox_private.host_change.kind IS 'what was done';
COMMENT ON COLUMN zoho_outbox_private.host_change.name IS 'column or constraint';
COMMENT ON COLUMN zoho_outbox_private.host_change.definition IS 'of a widened CHECK: before (check_dropped, to bring it back) and after (check_added); of reset statuses: how many rows';
COMMENT ON COLUMN zoho_outbox_private.host_change.made_at IS 'when';
