-- Keeps a catalogue that was just listed.
INSERT INTO zoho_outbox_private.catalogue AS catalogue (kind, content)
VALUES (%(kind)s, %(content)s)
ON CONFLICT (kind) DO UPDATE SET content = EXCLUDED.content, read_at = clock_timestamp()
