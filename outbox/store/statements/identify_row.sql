-- The rows that people mean by what they know: one, or two of several. {host_table} and {known_by} are identifiers.
SELECT host.id
FROM {host_table} AS host
WHERE {known_by} = %(known_as)s
LIMIT 2
