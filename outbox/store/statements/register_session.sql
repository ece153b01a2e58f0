-- A process that sends introduces itself; again after the database lost it.
INSERT INTO zoho_outbox_private.session AS session (id, kind, host, pid, program_version, listening, draining)
VALUES (%(id)s, %(kind)s, %(host)s, %(pid)s, %(program_version)s, %(listening)s, %(draining)s)
ON CONFLICT (id) DO UPDATE
SET seen_at = clock_timestamp(), listening = EXCLUDED.listening, draining = EXCLUDED.draining
