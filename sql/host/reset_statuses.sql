-- 'syncing' and 'retrying' were left behind by what ran before us: nobody is working on those rows. Nothing is
-- enqueued by this: the capture triggers are not there yet.
DO $reset$
DECLARE
    reset_rows bigint;
BEGIN
    UPDATE public.{table} SET zoho_sync_status = 'pending' WHERE zoho_sync_status IN ('syncing', 'retrying');
    GET DIAGNOSTICS reset_rows = ROW_COUNT;
    INSERT INTO zoho_outbox_private.host_change (table_name, kind, name, definition)
    VALUES ({table_text}, 'statuses_reset', 'zoho_sync_status', reset_rows::text)
    ON CONFLICT DO NOTHING;
    RAISE NOTICE '%: % left-over statuses set to pending, nothing enqueued', {table_text}, reset_rows;
END
$reset$;
