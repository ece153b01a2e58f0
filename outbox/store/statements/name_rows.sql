-- How people name rows. {host_table} and {known_by} are identifiers.
SELECT host.id, {known_by} AS known_as
FROM {host_table} AS host
WHERE host.id = ANY (%(ids)s)
