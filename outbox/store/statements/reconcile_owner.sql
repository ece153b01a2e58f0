-- A host row by its id, as people know it, and the record that it names.
-- {host_table} and {zoho_id} are identifiers, {known_by} the column by which people know a row, or NULL.
SELECT host.id, {known_by} AS known_as, btrim(host.{zoho_id}) AS zoho_id
FROM {host_table} AS host
WHERE host.id = %(entity_id)s
