-- Which of these host rows say that they were set aside. {host_table} and {zoho_id} are identifiers.
SELECT host.id
FROM {host_table} AS host
WHERE host.id = ANY (%(ids)s) AND host.zoho_sync_status = 'skipped'
