-- Rows of the listing of a type that are known under one of the keys, where there is one that a look-up may go by:
-- complete, young enough, and begun after the database last lost its memory (a restore, a failover with loss), which a
-- process that lived through it may not have noted yet. No row at all: there is no such listing. A row of NULLs: there
-- is one, and it holds nothing under these keys.
-- Whether it may be believed and what it holds are read at once: between two statements another listing could take its
-- place and its rows be gone, which would look like a proof that there is no record.
SELECT listed.found_by, listed.record
FROM zoho_outbox_private.listing AS listing
CROSS JOIN (SELECT single.* FROM zoho_outbox_private.installation AS single LIMIT 1) AS installation
LEFT JOIN (
    SELECT record.listing, record.zoho_id, record.found_by, record.record
    FROM zoho_outbox_private.listed_record AS record
    -- Keys that the planner does not see: it takes each of them for that of many rows, and for those of 50 look-ups it
    -- would read the table from end to end (20,000 rows: 50 ms in place of 0.5).
    WHERE record.found_by && (SELECT %(keys)s::text[])
    -- By the keys alone, whichever list they are in: until a list just read is analyzed, the planner would add all of its
    -- rows in the primary key to each look.
    OFFSET 0
) AS listed ON listed.listing = listing.listing
WHERE listing.entity_type = %(entity_type)s
    AND listing.begun_at > clock_timestamp() - make_interval(secs => %(oldest_seconds)s)
    AND listing.begun_at > COALESCE(installation.look_first_since, '-infinity')
    AND installation.timeline IS NOT DISTINCT FROM ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
ORDER BY listed.zoho_id
