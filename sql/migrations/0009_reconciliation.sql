-- works-with: 1
--
-- What reconciliation found, and how far it came: a run goes on where whatever ended it ended it.

SET LOCAL ROLE zoho_outbox_owner;

CREATE TABLE zoho_outbox_private.reconciliation (
    id           uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_by   text        NOT NULL DEFAULT session_user,
    deep         boolean     NOT NULL,
    entity_types text[]      NOT NULL,
    going_on     uuid,
    going_until  timestamptz NOT NULL DEFAULT '-infinity',
    finished_at  timestamptz,
    requests     integer     NOT NULL DEFAULT 0
);

-- One at a time: two would read the same lists twice, and count each other's rows.
CREATE UNIQUE INDEX reconciliation_unfinished ON zoho_outbox_private.reconciliation ((true)) WHERE finished_at IS NULL;

COMMENT ON TABLE zoho_outbox_private.reconciliation IS 'Runs of zoho-outbox reconcile; one that is not finished goes on with the next call';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.id IS 'the run';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.started_at IS 'by the database''s clock';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.started_by IS 'the role';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.deep IS 'every record is read whole, not only those that a list shows to differ';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.entity_types IS 'what is compared';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.going_on IS 'the process that works on it';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.going_until IS 'renewed with each page; after it another process may go on';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.finished_at IS 'when everything was looked at';
COMMENT ON COLUMN zoho_outbox_private.reconciliation.requests IS 'requests to Zoho that it took';

CREATE TABLE zoho_outbox_private.reconciliation_part (
    run          uuid    NOT NULL REFERENCES zoho_outbox_private.reconciliation (id) ON DELETE CASCADE,
    entity_type  text    NOT NULL,
    stage        text    NOT NULL DEFAULT 'list',
    listing      uuid    NOT NULL DEFAULT gen_random_uuid(),
    listed_from  timestamptz,
    next_page    integer NOT NULL DEFAULT 1,
    after_row    uuid,
    after_record text    NOT NULL DEFAULT '',
    agree        integer NOT NULL DEFAULT 0,
    differ       integer NOT NULL DEFAULT 0,
    not_compared integer NOT NULL DEFAULT 0,
    listed       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run, entity_type),
    CONSTRAINT reconciliation_part_stage CHECK (stage IN ('list', 'compare', 'unknown', 'done'))
);

COMMENT ON TABLE zoho_outbox_private.reconciliation_part IS 'How far a run came with one type';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.run IS 'the run';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.entity_type IS 'customer, subscription, invoice or payment';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.stage IS 'list: Zoho''s list is read; compare: host rows are; unknown: records that no row knows; done';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.listing IS 'names the rows of listed_record that were read for it';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.listed_from IS 'when the list''s first page was asked for: it is read again after two days';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.next_page IS 'of Zoho''s list';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.after_row IS 'host rows up to this id were compared';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.after_record IS 'unknown records up to this id were looked at';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.agree IS 'rows that were compared and agree';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.differ IS 'rows and records with a difference';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.not_compared IS 'rows of which nobody can say';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_part.listed IS 'records in Zoho''s list';

CREATE TABLE zoho_outbox_private.reconciliation_finding (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run          uuid    NOT NULL REFERENCES zoho_outbox_private.reconciliation (id) ON DELETE CASCADE,
    entity_type  text    NOT NULL,
    entity_id    uuid,
    zoho_id      text,
    named        text    NOT NULL,
    finding      text    NOT NULL,
    kind         text,
    said         text    NOT NULL,
    mend         text,
    found_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_at  timestamptz,
    CONSTRAINT reconciliation_finding_finding CHECK (finding IN ('difference', 'not_compared', 'remark')),
    CONSTRAINT reconciliation_finding_kind CHECK (
        (kind IS NOT NULL) = (finding = 'difference')
        AND kind IN (
            'missing_in_zoho', 'unknown_here', 'duplicate', 'fields', 'total', 'state', 'paid_here_open_there',
            'other_invoice', 'id_not_ours', 'should_be_gone'
        )
    ),
    CONSTRAINT reconciliation_finding_mend CHECK (mend IN ('enqueue', 'person'))
);

CREATE INDEX reconciliation_finding_run ON zoho_outbox_private.reconciliation_finding (run, entity_type, id);
CREATE INDEX reconciliation_finding_entity ON zoho_outbox_private.reconciliation_finding (entity_id) WHERE entity_id IS NOT NULL;

COMMENT ON TABLE zoho_outbox_private.reconciliation_finding IS 'What a run found: differences, rows that could not be compared, and remarks';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.id IS 'in the order of finding';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.run IS 'the run';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.entity_type IS 'customer, subscription, invoice or payment';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.entity_id IS 'the host row; NULL: none is known';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.zoho_id IS 'the record; NULL: none is known';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.named IS 'as people know it; no personal data';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.finding IS 'difference, not_compared or remark';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.kind IS 'of a difference';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.said IS 'both sides, and what to do';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.mend IS 'enqueue: --fix does; person: somebody must decide';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.found_at IS 'when';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_finding.enqueued_at IS 'when --fix had the row sent again';

CREATE TABLE zoho_outbox_private.reconciliation_sum (
    run         uuid    NOT NULL REFERENCES zoho_outbox_private.reconciliation (id) ON DELETE CASCADE,
    month       date    NOT NULL,
    measure     text    NOT NULL,
    category    text    NOT NULL,
    because     text    NOT NULL,
    records     integer NOT NULL,
    ours        numeric NOT NULL,
    theirs      numeric NOT NULL,
    PRIMARY KEY (run, month, measure, category, because),
    CONSTRAINT reconciliation_sum_measure CHECK (measure IN ('invoiced', 'open', 'paid', 'credited'))
);

COMMENT ON TABLE zoho_outbox_private.reconciliation_sum IS 'Both sides'' sums by month, each part with the reason why it is not equal';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.run IS 'the run';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.month IS 'its first day, of the row''s own date';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.measure IS 'invoiced, open, paid or credited';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.category IS 'invoice_type, or how it was paid';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.because IS 'agrees, a kind of difference, or not_compared';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.records IS 'rows and records in it';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.ours IS 'in the database';
COMMENT ON COLUMN zoho_outbox_private.reconciliation_sum.theirs IS 'in Zoho';

CREATE TABLE zoho_outbox_private.foreign_record (
    entity_type text        NOT NULL,
    zoho_id     text        NOT NULL,
    made_by     text        NOT NULL,
    looked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (entity_type, zoho_id)
);

COMMENT ON TABLE zoho_outbox_private.foreign_record IS 'Records in Zoho that no row knows and that were looked at once: each costs a request, every night';
COMMENT ON COLUMN zoho_outbox_private.foreign_record.entity_type IS 'invoice or payment';
COMMENT ON COLUMN zoho_outbox_private.foreign_record.zoho_id IS 'the record';
COMMENT ON COLUMN zoho_outbox_private.foreign_record.made_by IS 'an invoice: the subscription that raised it; a payment: its reference number; empty: nothing says';
COMMENT ON COLUMN zoho_outbox_private.foreign_record.looked_at IS 'when';

GRANT SELECT, INSERT, UPDATE, DELETE ON
    zoho_outbox_private.foreign_record,
    zoho_outbox_private.reconciliation,
    zoho_outbox_private.reconciliation_part,
    zoho_outbox_private.reconciliation_finding,
    zoho_outbox_private.reconciliation_sum
TO zoho_outbox_daemon;

RESET ROLE;
