-- Operators see where rows stand and how people call them; nothing personal.
REVOKE ALL ON public.{table} FROM zoho_outbox_operator;
GRANT SELECT ({shown_columns}) ON public.{table} TO zoho_outbox_operator;
DROP POLICY IF EXISTS zoho_outbox_operator_read ON public.{table};
CREATE POLICY zoho_outbox_operator_read ON public.{table} FOR SELECT TO zoho_outbox_operator USING (true);
