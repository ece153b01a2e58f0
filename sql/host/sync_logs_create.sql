-- One row an attempt. Created here only where the host has no zoho_sync_logs yet.
GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

CREATE TABLE public.zoho_sync_logs (
    id               uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type      text        NOT NULL,
    entity_id        uuid        NOT NULL,
    zoho_entity_type text,
    zoho_entity_id   text,
    status           text        NOT NULL DEFAULT 'pending',
    attempt_number   integer     DEFAULT 1,
    error_message    text,
    request_payload  jsonb,
    response_payload jsonb,
    created_at       timestamptz DEFAULT now(),
    {columns},
    {checks}
);

COMMENT ON TABLE public.zoho_sync_logs IS 'One row for each attempt to send a row to Zoho, written by the zoho-outbox daemon';
COMMENT ON COLUMN public.zoho_sync_logs.id IS 'identifies the attempt';
COMMENT ON COLUMN public.zoho_sync_logs.entity_type IS 'customer, subscription, invoice or payment';
COMMENT ON COLUMN public.zoho_sync_logs.entity_id IS 'id of the host row';
COMMENT ON COLUMN public.zoho_sync_logs.zoho_entity_type IS 'the module in Zoho';
COMMENT ON COLUMN public.zoho_sync_logs.zoho_entity_id IS 'the record in Zoho, where it is known';
COMMENT ON COLUMN public.zoho_sync_logs.status IS 'success, failed (for good) or retrying (also of an attempt that died with its daemon)';
COMMENT ON COLUMN public.zoho_sync_logs.attempt_number IS 'which attempt of its series';
COMMENT ON COLUMN public.zoho_sync_logs.error_message IS 'what went wrong, and what to do next';
COMMENT ON COLUMN public.zoho_sync_logs.request_payload IS 'what was sent, masked as OUTBOX_LOG_PAYLOADS says';
COMMENT ON COLUMN public.zoho_sync_logs.response_payload IS 'what came back, masked likewise';
COMMENT ON COLUMN public.zoho_sync_logs.created_at IS 'when the attempt ended';
{comments}

ALTER TABLE public.zoho_sync_logs ENABLE ROW LEVEL SECURITY;

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;

INSERT INTO zoho_outbox_private.host_change (table_name, kind, name)
VALUES ('zoho_sync_logs', 'table_created', 'zoho_sync_logs')
ON CONFLICT DO NOTHING;
