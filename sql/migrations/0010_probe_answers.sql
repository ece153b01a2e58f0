-- works-with: 1
--
-- What doctor --probe learnt of an organisation by trying it: the open questions about Zoho's API.

SET LOCAL ROLE zoho_outbox_owner;

CREATE TABLE zoho_outbox_private.probe_answer (
    organization_id text        NOT NULL,
    question        text        NOT NULL,
    answer          text        NOT NULL,
    said            text        NOT NULL,
    answered_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, question)
);

COMMENT ON TABLE zoho_outbox_private.probe_answer IS 'What doctor --probe found out by trying, in an organisation that says mode=test';
COMMENT ON COLUMN zoho_outbox_private.probe_answer.organization_id IS 'Zoho''s id of the organisation that was tried';
COMMENT ON COLUMN zoho_outbox_private.probe_answer.question IS 'a stable name: outbox/commands/doctor/questions.py';
COMMENT ON COLUMN zoho_outbox_private.probe_answer.answer IS 'one of the question''s answers: honoured, ignored, refused, accepted, or a figure';
COMMENT ON COLUMN zoho_outbox_private.probe_answer.said IS 'the same in a sentence, with Zoho''s status, code and words';
COMMENT ON COLUMN zoho_outbox_private.probe_answer.answered_at IS 'when it was tried last';
