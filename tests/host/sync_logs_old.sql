-- zoho_sync_logs as the first integration made it, with the CHECKs that refused everything but customers and
-- invoices, and the grant that its owner gave to the people who read it.
CREATE TABLE public.zoho_sync_logs (
    id               uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    entity_type      text NOT NULL CHECK (entity_type IN ('quote', 'contract', 'invoice', 'customer')),
    entity_id        uuid NOT NULL,
    zoho_entity_type text CHECK (zoho_entity_type IN ('Estimates', 'Deals', 'Invoices', 'Contacts')),
    zoho_entity_id   text,
    status           text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'success', 'failed', 'retrying')),
    attempt_number   integer DEFAULT 1 CHECK (attempt_number BETWEEN 1 AND 3),
    error_message    text,
    request_payload  jsonb,
    response_payload jsonb,
    created_at       timestamptz DEFAULT now()
);

GRANT SELECT ON public.zoho_sync_logs TO finance_reader;
