-- Restored from a backup, or failed over: what the other timeline sent may be missing here.
UPDATE zoho_outbox_private.installation AS installation
SET
    timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
    -- Anew each time: a list of Zoho's records that was read between two failovers proves nothing after the second.
    look_first_since = clock_timestamp(),
    look_first_why = COALESCE(installation.look_first_why, 'the database was restored or failed over (another timeline)')
