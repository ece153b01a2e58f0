-- Nullable, with a constant default if any, so that no row is rewritten. Locks out everybody, for a moment.
ALTER TABLE public.{table} ADD COLUMN {column} {definition};
COMMENT ON COLUMN public.{table}.{column} IS {comment};
INSERT INTO zoho_outbox_private.host_change (table_name, kind, name)
VALUES ({table_text}, 'column_added', {column_text})
ON CONFLICT DO NOTHING;
