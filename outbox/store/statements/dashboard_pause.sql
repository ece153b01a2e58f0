-- Stops sending.
SELECT public.zoho_outbox_pause(%(reason)s) AS said
