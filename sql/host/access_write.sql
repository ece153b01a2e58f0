GRANT UPDATE ({written_columns}) ON public.{table} TO zoho_outbox_daemon;
DROP POLICY IF EXISTS zoho_outbox_write ON public.{table};
CREATE POLICY zoho_outbox_write ON public.{table} FOR UPDATE TO zoho_outbox_daemon USING (true) WITH CHECK (true);
