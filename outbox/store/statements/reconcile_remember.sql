-- Records that were looked at, and who made them.
INSERT INTO zoho_outbox_private.foreign_record AS seen (entity_type, zoho_id, made_by)
SELECT %(entity_type)s, looked.zoho_id, looked.made_by
FROM unnest(%(zoho_ids)s::text[], %(made_by)s::text[]) AS looked (zoho_id, made_by)
ON CONFLICT (entity_type, zoho_id) DO UPDATE SET made_by = EXCLUDED.made_by, looked_at = clock_timestamp()
