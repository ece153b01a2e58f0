-- What doctor --probe found out; a later try takes the place of an earlier one.
INSERT INTO zoho_outbox_private.probe_answer AS answer (organization_id, question, answer, said)
VALUES (%(organization_id)s, %(question)s, %(answer)s, %(said)s)
ON CONFLICT (organization_id, question) DO UPDATE
SET answer = EXCLUDED.answer, said = EXCLUDED.said, answered_at = clock_timestamp()
