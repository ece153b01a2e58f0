-- A host row as far as the sync shows itself in it. No column with personal data: operators may run this.
-- {host_table} and {zoho_id} are identifiers, {known_by} the column by which people know a row, or NULL.
SELECT
    {known_by}                  AS known_as,
    host.{zoho_id}              AS zoho_id,
    host.zoho_sync_status       AS sync_status,
    host.zoho_last_synced_at    AS last_synced_at,
    host.zoho_last_sync_error   AS last_sync_error
FROM {host_table} AS host
WHERE host.id = %(entity_id)s
