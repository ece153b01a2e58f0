-- A zoho_sync_logs that was there before keeps the grants its owner gave it; these are added.
GRANT SELECT, INSERT, DELETE ON public.zoho_sync_logs TO zoho_outbox_daemon;
GRANT SELECT ON public.zoho_sync_logs TO zoho_outbox_operator;
DROP POLICY IF EXISTS zoho_outbox_daemon_all ON public.zoho_sync_logs;
CREATE POLICY zoho_outbox_daemon_all ON public.zoho_sync_logs TO zoho_outbox_daemon USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS zoho_outbox_operator_read ON public.zoho_sync_logs;
CREATE POLICY zoho_outbox_operator_read ON public.zoho_sync_logs FOR SELECT TO zoho_outbox_operator USING (true);
