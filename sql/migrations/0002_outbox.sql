-- works-with: 1
--
-- The outbox. The host's transactions pay for every byte and index of this table, so it carries two indexes that
-- an application's INSERT maintains (the key, and the entries not yet admitted) and one that only the daemon's
-- updates maintain: a row enters it when it is admitted, never when it is written.

GRANT CREATE ON SCHEMA public TO zoho_outbox_owner;
GRANT USAGE ON SCHEMA public TO zoho_outbox_owner;

SET LOCAL ROLE zoho_outbox_owner;

-- The words of the columns. Domains and not CHECKs of the table: those are made ready anew for every statement, and
-- a single-row INSERT of the host's paid 20 of 39 microseconds for five of them (measured: 18 with domains).
CREATE DOMAIN zoho_outbox_private.entry_entity_type AS text
    CONSTRAINT entry_entity_type CHECK (VALUE IN ('customer', 'subscription', 'invoice', 'payment'));
COMMENT ON DOMAIN zoho_outbox_private.entry_entity_type IS 'words of zoho_outbox.entity_type';

CREATE DOMAIN zoho_outbox_private.entry_status AS text
    CONSTRAINT entry_status CHECK (VALUE IN ('pending', 'waiting', 'processing', 'done', 'dead', 'skipped'));
COMMENT ON DOMAIN zoho_outbox_private.entry_status IS 'words of zoho_outbox.status';

CREATE DOMAIN zoho_outbox_private.entry_change AS text
    CONSTRAINT entry_change CHECK (
        VALUE IN ('inserted', 'updated', 'deleted', 'truncated', 'requested', 'id_set', 'related', 'resend')
    );
COMMENT ON DOMAIN zoho_outbox_private.entry_change IS 'words of zoho_outbox.change';

CREATE DOMAIN zoho_outbox_private.entry_origin AS text
    CONSTRAINT entry_origin CHECK (VALUE IN ('trigger', 'operator', 'backfill', 'reconcile', 'child'));
COMMENT ON DOMAIN zoho_outbox_private.entry_origin IS 'words of zoho_outbox.origin';

CREATE DOMAIN zoho_outbox_private.entry_outcome AS text
    CONSTRAINT entry_outcome CHECK (VALUE IN ('sent', 'unchanged', 'superseded', 'ineligible', 'set_aside'));
COMMENT ON DOMAIN zoho_outbox_private.entry_outcome IS 'words of zoho_outbox.outcome';

CREATE TABLE public.zoho_outbox (
    id              bigint                                GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id       uuid                                  NOT NULL,
    created_at      timestamptz                           NOT NULL DEFAULT now(),
    next_attempt_at timestamptz,
    finished_at     timestamptz,
    attempts        integer                               NOT NULL DEFAULT 0,
    revision        integer                               NOT NULL DEFAULT 0,
    priority        smallint                              NOT NULL DEFAULT 10,
    admitted        boolean                               NOT NULL DEFAULT false,
    entity_type     zoho_outbox_private.entry_entity_type NOT NULL,
    status          zoho_outbox_private.entry_status      NOT NULL DEFAULT 'pending',
    change          zoho_outbox_private.entry_change      NOT NULL DEFAULT 'updated',
    origin          zoho_outbox_private.entry_origin      NOT NULL DEFAULT 'trigger',
    requested_by    text,
    outcome         zoho_outbox_private.entry_outcome,
    waiting_for     text,
    last_error      text,
    zoho_id         text
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);

-- Ordered by id, because whoever admits takes from both ends: the oldest, and the newest few, so that one edit
-- does not stand behind a bulk load of a million.
CREATE INDEX zoho_outbox_not_admitted ON public.zoho_outbox (id) WHERE NOT admitted;

CREATE INDEX zoho_outbox_open ON public.zoho_outbox (entity_id) WHERE admitted AND finished_at IS NULL;

COMMENT ON TABLE public.zoho_outbox IS
    'One row per captured change of a customer, service, invoice or payment. Appended by triggers in the application''s own transaction; closed by the zoho-outbox daemon. To have a row tried again: UPDATE ... SET status = ''pending''';
COMMENT ON COLUMN public.zoho_outbox.id IS 'identifies the entry; neither gapless nor in commit order';
COMMENT ON COLUMN public.zoho_outbox.entity_id IS 'id of the host row';
COMMENT ON COLUMN public.zoho_outbox.created_at IS 'start of the transaction that changed the row';
COMMENT ON COLUMN public.zoho_outbox.next_attempt_at IS 'between attempts: not before this moment; NULL: as soon as possible';
COMMENT ON COLUMN public.zoho_outbox.finished_at IS 'when it was done or skipped; a dead entry is not finished, it waits for a person';
COMMENT ON COLUMN public.zoho_outbox.attempts IS 'attempts that counted, the present one included';
COMMENT ON COLUMN public.zoho_outbox.revision IS 'raised by every change the daemon makes: how the guard tells the daemon from an operator';
COMMENT ON COLUMN public.zoho_outbox.priority IS 'lower is sooner: 10 live, 15 bulk, 20 retry, 30 backfill, 40 reconciliation';
COMMENT ON COLUMN public.zoho_outbox.admitted IS 'the daemon has taken note of it';
COMMENT ON COLUMN public.zoho_outbox.entity_type IS 'customer, subscription (a row of customer_services), invoice or payment';
COMMENT ON COLUMN public.zoho_outbox.status IS 'pending (also between attempts), waiting (for what waiting_for names), processing, done, dead (needs a person or an edit of the row), skipped';
COMMENT ON COLUMN public.zoho_outbox.change IS 'what happened to the host row';
COMMENT ON COLUMN public.zoho_outbox.origin IS 'who appended it: trigger, operator, backfill, reconcile, child (needed by another row)';
COMMENT ON COLUMN public.zoho_outbox.requested_by IS 'session_user who asked for it by hand, else NULL';
COMMENT ON COLUMN public.zoho_outbox.outcome IS 'how it ended: sent, unchanged (nothing to send), superseded (a newer entry of the same row carried it), ineligible, set_aside (by an operator)';
COMMENT ON COLUMN public.zoho_outbox.waiting_for IS 'the record that must be in Zoho first';
COMMENT ON COLUMN public.zoho_outbox.last_error IS 'what went wrong last, and what to do next';
COMMENT ON COLUMN public.zoho_outbox.zoho_id IS 'the record in Zoho; of a deleted row, the one that remains there';

ALTER TABLE public.zoho_outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY zoho_outbox_daemon_all ON public.zoho_outbox TO zoho_outbox_daemon USING (true) WITH CHECK (true);
CREATE POLICY zoho_outbox_operator_all ON public.zoho_outbox TO zoho_outbox_operator USING (true) WITH CHECK (true);

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM zoho_outbox_owner;
