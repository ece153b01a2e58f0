-- Whether this database is the one that sends, and what is known of the organisation.
SELECT
    clock_timestamp()                                       AS now,
    current_database()::text                                AS database_name,
    installation.installed_at,
    installation.system_identifier IS NOT NULL              AS stored,
    installation.system_identifier IS NOT DISTINCT FROM here.system_identifier
        AND installation.database_name IS NOT DISTINCT FROM current_database() AS same,
    installation.timeline IS NOT DISTINCT FROM here.timeline AS same_timeline,
    installation.database_name                              AS stored_name,
    installation.database_accepted_at                       AS accepted_at,
    installation.database_accepted_by                       AS accepted_by,
    installation.look_first_since,
    installation.look_first_why,
    installation.zoho_organization_id                       AS organization_id,
    installation.organisation_name,
    installation.organisation_mode,
    installation.recurring_billing
FROM zoho_outbox_private.installation AS installation
CROSS JOIN (
    SELECT
        (SELECT control.system_identifier::text FROM pg_control_system() AS control) AS system_identifier,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint     AS timeline
) AS here
