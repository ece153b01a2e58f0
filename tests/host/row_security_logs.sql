ALTER TABLE public.zoho_sync_logs ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Signed-in people read the log" ON public.zoho_sync_logs
    FOR SELECT TO authenticated, finance_reader
    USING (true);
