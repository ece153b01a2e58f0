-- works-with: 1
--
-- What Zoho was asked for once and many entities need: its taxes and plans, and lists of the records that exist. Kept
-- here for all replicas and commands: read by each process on its own, three replicas would spend a tenth of a small
-- plan's day on them.

SET LOCAL ROLE zoho_outbox_owner;

CREATE TABLE zoho_outbox_private.catalogue (
    kind     text        NOT NULL PRIMARY KEY,
    content  jsonb       NOT NULL,
    read_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT catalogue_kind CHECK (kind IN ('taxes', 'plans'))
);

COMMENT ON TABLE zoho_outbox_private.catalogue IS 'Zoho''s taxes and plans as they were last listed';
COMMENT ON COLUMN zoho_outbox_private.catalogue.kind IS 'taxes or plans';
COMMENT ON COLUMN zoho_outbox_private.catalogue.content IS 'the rows of Zoho''s list';
COMMENT ON COLUMN zoho_outbox_private.catalogue.read_at IS 'when; read again after a day, or where something is missing in it';

CREATE TABLE zoho_outbox_private.listing (
    entity_type text        NOT NULL PRIMARY KEY,
    listing     uuid        NOT NULL,
    begun_at    timestamptz NOT NULL,
    records     integer     NOT NULL
);

COMMENT ON TABLE zoho_outbox_private.listing IS 'Lists of Zoho''s records that were read to the end: look-ups go by them in place of a request each';
COMMENT ON COLUMN zoho_outbox_private.listing.entity_type IS 'customer, subscription, invoice or payment';
COMMENT ON COLUMN zoho_outbox_private.listing.listing IS 'names the rows of listed_record that belong to it';
COMMENT ON COLUMN zoho_outbox_private.listing.begun_at IS 'what was created in Zoho after this moment may be missing in it';
COMMENT ON COLUMN zoho_outbox_private.listing.records IS 'how many there were';

CREATE TABLE zoho_outbox_private.listed_record (
    listing    uuid        NOT NULL,
    zoho_id    text        NOT NULL,
    found_by   text[]      NOT NULL,
    record     jsonb       NOT NULL,
    listed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (listing, zoho_id)
);

CREATE INDEX listed_record_found_by ON zoho_outbox_private.listed_record USING gin (found_by);

COMMENT ON TABLE zoho_outbox_private.listed_record IS 'Rows of Zoho''s lists; removed with their listing, at the latest after two days';
COMMENT ON COLUMN zoho_outbox_private.listed_record.listing IS 'the listing it belongs to';
COMMENT ON COLUMN zoho_outbox_private.listed_record.zoho_id IS 'the record''s id';
COMMENT ON COLUMN zoho_outbox_private.listed_record.found_by IS 'what a look-up may ask for: our key in its name, e-mail, reference, number';
COMMENT ON COLUMN zoho_outbox_private.listed_record.record IS 'the list row';
COMMENT ON COLUMN zoho_outbox_private.listed_record.listed_at IS 'when it was stored: rows of a listing that never came to its end are removed by age';

-- What others may refer to: a record that was brought to its end at least once. One whose create was answered and whose
-- opening was not (an invoice that is a draft still), or whose total was found wrong, is not it.
-- Rewrites the table, which is ours: no application waits for it, and a daemon does for seconds at most.
ALTER TABLE zoho_outbox_private.entity_state
    -- squawk-ignore adding-field-with-default
    ADD COLUMN usable_id text GENERATED ALWAYS AS (
        CASE WHEN phase = 'idle' OR sent_at IS NOT NULL THEN zoho_id END
    ) STORED;

COMMENT ON COLUMN zoho_outbox_private.entity_state.usable_id IS 'zoho_id, once the record was brought to its end: what waits for it may go on';

-- A child that has been told that its parent failed is not told again.
ALTER TABLE zoho_outbox_private.entity_state ADD COLUMN waits_for_dead boolean NOT NULL DEFAULT false;
-- A payment must not overtake a correction of its invoice: Zoho refuses to change what is paid.
ALTER TABLE zoho_outbox_private.entity_state ADD COLUMN waits_for_rest boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN zoho_outbox_private.entity_state.waits_for_rest IS 'waiting: the prerequisite is in Zoho, and a change of it that is due goes first';

COMMENT ON COLUMN zoho_outbox_private.entity_state.due_at IS 'ready and scheduled: since or from when; idle and dead: when it came to rest; waiting: when it was claimed for the attempt that found it had to wait';
COMMENT ON COLUMN zoho_outbox_private.entity_state.waits_for_dead IS 'waiting: it was known that the prerequisite had failed, and waiting_for says so';
COMMENT ON COLUMN zoho_outbox_private.entity_state.waits_for_type IS 'waiting: the prerequisite''s type; package is a row of service_packages that is not published';
