-- The listing of a type that a look-up may go by: complete, young enough, and begun after the database last lost its
-- memory (a restore, a failover with loss), which a process that lived through it may not have noted yet.
SELECT listing.listing, listing.records
FROM zoho_outbox_private.listing AS listing
CROSS JOIN (SELECT single.* FROM zoho_outbox_private.installation AS single LIMIT 1) AS installation
WHERE listing.entity_type = %(entity_type)s
    AND listing.begun_at > clock_timestamp() - make_interval(secs => %(oldest_seconds)s)
    AND listing.begun_at > COALESCE(installation.look_first_since, '-infinity')
    AND installation.timeline IS NOT DISTINCT FROM ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
