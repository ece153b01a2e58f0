-- Rows of the first integration's log, one of each kind that its CHECKs let through.
INSERT INTO public.zoho_sync_logs
    (entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, attempt_number, error_message) VALUES
    ('customer', '00000000-0000-4000-8000-0000000c0001', 'Contacts', '4600000000012001', 'success', 1, NULL),
    ('customer', '00000000-0000-4000-8000-0000000c0004', 'Contacts', NULL, 'failed', 3, 'Email is mandatory'),
    ('invoice', '00000000-0000-4000-8000-0000000d0001', 'Invoices', NULL, 'retrying', 2, 'Too many requests'),
    ('quote', '00000000-0000-4000-8000-0000000f0001', 'Estimates', NULL, 'pending', 1, NULL);
