-- Which database this is, beside which one the first run stored.
SELECT
    installation.installed_at,
    installation.system_identifier,
    installation.timeline,
    installation.database_name,
    installation.look_first_since,
    installation.look_first_why,
    installation.zoho_organization_id,
    installation.recurring_billing,
    installation.organisation_name,
    installation.organisation_mode,
    installation.organisation_checked_at,
    (SELECT control.system_identifier::text FROM pg_control_system() AS control)    AS system_identifier_here,
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint        AS timeline_here,
    current_database()::text                                                        AS database_name_here,
    EXISTS (
        SELECT FROM zoho_outbox_private.host_change AS change
        WHERE change.table_name = 'zoho_sync_logs' AND change.kind = 'table_created'
    )                                                                               AS logs_are_ours
FROM zoho_outbox_private.installation AS installation
