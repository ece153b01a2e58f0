-- An older CHECK knows fewer words than are needed now. What it let in it lets in still, and its name stays. NOT
-- VALID: what stands in the table already is not read and not judged. The definition before ours is kept for rollback.
INSERT INTO zoho_outbox_private.host_change AS change (table_name, kind, name, definition)
VALUES ({table_text}, 'check_dropped', {name_text}, {old_definition})
ON CONFLICT (table_name, kind, name) DO UPDATE
SET definition = EXCLUDED.definition
WHERE NOT EXISTS (
    SELECT FROM zoho_outbox_private.host_change AS ours
    WHERE ours.table_name = change.table_name
        AND ours.kind = 'check_added'
        AND ours.name = change.name
        AND ours.definition = EXCLUDED.definition
);
ALTER TABLE public.{table}
    DROP CONSTRAINT {name},
    ADD CONSTRAINT {name} CHECK (({old_condition}) OR ({condition})) NOT VALID;
INSERT INTO zoho_outbox_private.host_change (table_name, kind, name, definition)
SELECT {table_text}, 'check_added', con.conname, pg_get_constraintdef(con.oid)
FROM pg_constraint AS con
WHERE con.conrelid = 'public.{table}'::regclass AND con.conname = {name_text}
ON CONFLICT (table_name, kind, name) DO UPDATE SET definition = EXCLUDED.definition;
