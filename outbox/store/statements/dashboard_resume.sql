-- Ends a pause.
SELECT public.zoho_outbox_resume() AS said
