-- Rows of a host table, one page by primary key. {host_table} is an identifier.
SELECT host.id
FROM {host_table} AS host
WHERE %(after)s::uuid IS NULL OR host.id > %(after)s::uuid
ORDER BY host.id
LIMIT %(batch)s
