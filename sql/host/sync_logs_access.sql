-- A zoho_sync_logs that was there before keeps the grants its owner gave it; these are added.
GRANT SELECT, INSERT, DELETE ON public.zoho_sync_logs TO zoho_outbox_daemon;
GRANT SELECT ON public.zoho_sync_logs TO zoho_outbox_operator;
-- Operators' functions run as the owner: zoho_explain and the views read, zoho_outbox_forget blanks these columns.
GRANT SELECT, UPDATE (request_payload, response_payload, error_message) ON public.zoho_sync_logs TO zoho_outbox_owner;
DROP POLICY IF EXISTS zoho_outbox_daemon_all ON public.zoho_sync_logs;
CREATE POLICY zoho_outbox_daemon_all ON public.zoho_sync_logs TO zoho_outbox_daemon USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS zoho_outbox_operator_read ON public.zoho_sync_logs;
CREATE POLICY zoho_outbox_operator_read ON public.zoho_sync_logs FOR SELECT TO zoho_outbox_operator USING (true);
DROP POLICY IF EXISTS zoho_outbox_owner_all ON public.zoho_sync_logs;
CREATE POLICY zoho_outbox_owner_all ON public.zoho_sync_logs TO zoho_outbox_owner USING (true) WITH CHECK (true);
