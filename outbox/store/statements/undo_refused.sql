-- A deletion that Zoho refused, or whose answer did not come: the row keeps its record, the log says who tried.
INSERT INTO public.zoho_sync_logs (
    entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, error_message, request_payload, duration_ms,
    api_calls, failure_class, zoho_code
)
VALUES (
    %(entity_type)s, %(entity_id)s, %(zoho_entity_type)s, %(zoho_id)s, 'failed', %(said)s, %(request_payload)s,
    %(duration_ms)s, %(api_calls)s, %(failure_class)s, %(zoho_code)s
)
