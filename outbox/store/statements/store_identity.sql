-- The first run, or an operator's acceptance: this database and this organisation belong together from now on.
UPDATE zoho_outbox_private.installation AS installation
SET
    system_identifier = (SELECT control.system_identifier::text FROM pg_control_system() AS control),
    timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
    database_name = current_database(),
    zoho_organization_id = COALESCE(%(organization_id)s, installation.zoho_organization_id),
    recurring_billing = COALESCE(installation.recurring_billing, %(recurring_billing)s),
    database_accepted_at = CASE WHEN %(accepting)s THEN clock_timestamp() ELSE installation.database_accepted_at END,
    database_accepted_by = CASE WHEN %(accepting)s THEN session_user ELSE installation.database_accepted_by END,
    -- A copy does not know what the original sent after the copy was made.
    look_first_since = CASE WHEN %(accepting)s THEN clock_timestamp() ELSE installation.look_first_since END,
    look_first_why = CASE
        WHEN %(accepting)s THEN 'a copy of the database was accepted with doctor --accept-database'
        ELSE installation.look_first_why
    END
-- Two first runs at once: one decides, the other is compared with it.
WHERE %(accepting)s OR installation.system_identifier IS NULL
