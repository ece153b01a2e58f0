-- works-with: 1
--
-- What all replicas must agree on beyond what stands already: who says that sending stopped, whose turn the next request
-- is, and whether an entity was in hand when its process died.

SET LOCAL ROLE zoho_outbox_owner;

-- A state of the whole organisation is entered and left once in the logs of all replicas together: whoever moves this
-- column writes the line. Remembered in each process, three replicas wrote three lines for one pause.
ALTER TABLE zoho_outbox_private.organisation
    -- squawk-ignore adding-field-with-default
    ADD COLUMN told text NOT NULL DEFAULT 'running',
    ADD COLUMN stop_told text,
    ADD COLUMN stop_told_until timestamptz;

COMMENT ON COLUMN zoho_outbox_private.organisation.told IS 'the state that was last written into a log, by whichever replica';
COMMENT ON COLUMN zoho_outbox_private.organisation.stop_told IS 'what is used up (a day''s share, the tokens of ten minutes), as it was last written into a log';
COMMENT ON COLUMN zoho_outbox_private.organisation.stop_told_until IS 'until when';

-- In one process the askers for permission stand in line by urgency. Between processes there was no line: a live change
-- took its chance for the next token against the backfills of all other replicas.
ALTER TABLE zoho_outbox_private.request_budget
    ADD COLUMN wanted_urgency smallint,
    ADD COLUMN wanted_until timestamptz,
    ADD COLUMN wanted_by uuid;

COMMENT ON COLUMN zoho_outbox_private.request_budget.wanted_urgency IS 'urgency of the most urgent who waits for a token or a place: less urgent ones are refused meanwhile';
COMMENT ON COLUMN zoho_outbox_private.request_budget.wanted_until IS 'until when that stands, unless it is asked for again: who died while waiting holds nobody up for longer';
COMMENT ON COLUMN zoho_outbox_private.request_budget.wanted_by IS 'session.id of who waits';

ALTER TABLE zoho_outbox_private.entity_state
    -- squawk-ignore adding-field-with-default
    ADD COLUMN taken_over boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN zoho_outbox_private.entity_state.taken_over IS 'its last attempt ended with its process, and may be why: it is sent alone';
