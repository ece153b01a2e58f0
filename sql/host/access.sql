-- What the daemon may do with a host table: read the columns it sends (never id_number), write the status columns.
-- Row level security hides rows without an error, hence the policies; they do nothing where it is off.
REVOKE ALL ON public.{table} FROM zoho_outbox_daemon, zoho_outbox_owner;
GRANT SELECT ({read_columns}) ON public.{table} TO zoho_outbox_daemon, zoho_outbox_owner;
DROP POLICY IF EXISTS zoho_outbox_read ON public.{table};
CREATE POLICY zoho_outbox_read ON public.{table} FOR SELECT TO zoho_outbox_daemon, zoho_outbox_owner USING (true);
{write}
