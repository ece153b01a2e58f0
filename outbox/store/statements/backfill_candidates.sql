-- Rows of a host table without a Zoho id, one page by primary key.
-- {host_table} and {zoho_id} are identifiers.
SELECT host.id
FROM {host_table} AS host
WHERE COALESCE(btrim(host.{zoho_id}), '') = ''
    AND (%(after)s::uuid IS NULL OR host.id > %(after)s::uuid)
ORDER BY host.id
LIMIT %(batch)s
