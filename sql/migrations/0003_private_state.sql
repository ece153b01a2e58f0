-- works-with: 1
--
-- What the daemon keeps for itself. The protocol that moves these rows is told at the head of
-- outbox/store/protocol.py.

SET LOCAL ROLE zoho_outbox_owner;

-- One row per entity that was ever captured. Lease columns stand in no index, so that renewing a lease is a
-- heap-only update (fillfactor leaves the room; 39 % heap-only measured, none with the lease indexed).
CREATE TABLE zoho_outbox_private.entity_state (
    entity_id           uuid        NOT NULL,
    entity_type         text        NOT NULL,
    phase               text        NOT NULL,
    urgency             smallint    NOT NULL DEFAULT 10,
    due_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    arrived_since_claim boolean     NOT NULL DEFAULT false,
    born_here           boolean     NOT NULL DEFAULT false,
    attempts            integer     NOT NULL DEFAULT 0,
    lease_token         uuid,
    lease_until         timestamptz,
    lease_session       uuid,
    leased_at           timestamptz,
    zoho_id             text,
    sent_hash           text,
    sent_at             timestamptz,
    intents             integer     NOT NULL DEFAULT 0,
    intent_at           timestamptz,
    intent_keys         text[]      NOT NULL DEFAULT '{}',
    fate_unknown_at     timestamptz,
    clean_look_at       timestamptz,
    inserted_entry      bigint,
    deleted_entry       bigint,
    host_deleted_at     timestamptz,
    waits_for_type      text,
    waits_for_id        uuid,
    last_error          text,
    shown_status        text,
    shown_error         text,
    write_back_due      timestamptz,
    write_back_zoho_id  text,
    PRIMARY KEY (entity_id, entity_type),
    CONSTRAINT entity_state_entity_type CHECK (entity_type IN ('customer', 'subscription', 'invoice', 'payment')),
    CONSTRAINT entity_state_phase CHECK (phase IN ('idle', 'ready', 'scheduled', 'leased', 'waiting', 'dead')),
    CONSTRAINT entity_state_lease CHECK ((phase = 'leased') = (lease_token IS NOT NULL)),
    CONSTRAINT entity_state_waits CHECK (phase <> 'waiting' OR waits_for_id IS NOT NULL)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000
);

-- The claim's order. Only rows that are due stand in it, so a claim reads what it takes and no more.
CREATE INDEX entity_state_ready ON zoho_outbox_private.entity_state (urgency, due_at) WHERE phase = 'ready';
CREATE INDEX entity_state_scheduled ON zoho_outbox_private.entity_state (due_at) WHERE phase = 'scheduled';
CREATE INDEX entity_state_leased ON zoho_outbox_private.entity_state (entity_id) WHERE phase = 'leased';
CREATE INDEX entity_state_waiting ON zoho_outbox_private.entity_state (waits_for_id) WHERE phase = 'waiting';
CREATE INDEX entity_state_dead ON zoho_outbox_private.entity_state (entity_type) WHERE phase = 'dead';
CREATE INDEX entity_state_write_back ON zoho_outbox_private.entity_state (write_back_due) WHERE write_back_due IS NOT NULL;
-- One record, one row.
CREATE UNIQUE INDEX entity_state_zoho_id ON zoho_outbox_private.entity_state (zoho_id, entity_type) WHERE zoho_id IS NOT NULL;

COMMENT ON TABLE zoho_outbox_private.entity_state IS 'One row per entity: whether something is to be done, who does it now, what Zoho was last told';
COMMENT ON COLUMN zoho_outbox_private.entity_state.entity_id IS 'id of the host row';
COMMENT ON COLUMN zoho_outbox_private.entity_state.entity_type IS 'customer, subscription, invoice or payment';
COMMENT ON COLUMN zoho_outbox_private.entity_state.phase IS 'idle, ready (due), scheduled (between attempts), leased (being sent), waiting (for a prerequisite), dead';
COMMENT ON COLUMN zoho_outbox_private.entity_state.urgency IS 'as zoho_outbox.priority';
COMMENT ON COLUMN zoho_outbox_private.entity_state.due_at IS 'ready and scheduled: since or from when; else without meaning';
COMMENT ON COLUMN zoho_outbox_private.entity_state.arrived_since_claim IS 'entries were admitted while the entity was leased: due again when it is settled';
COMMENT ON COLUMN zoho_outbox_private.entity_state.born_here IS 'its INSERT was captured: it did not exist before installation';
COMMENT ON COLUMN zoho_outbox_private.entity_state.attempts IS 'attempts that counted since it was last settled for good';
COMMENT ON COLUMN zoho_outbox_private.entity_state.lease_token IS 'fences settlement: only who presents it may settle';
COMMENT ON COLUMN zoho_outbox_private.entity_state.lease_until IS 'taken over after this moment (clock_timestamp of the database)';
COMMENT ON COLUMN zoho_outbox_private.entity_state.lease_session IS 'session.id of the holder';
COMMENT ON COLUMN zoho_outbox_private.entity_state.leased_at IS 'when it was claimed';
COMMENT ON COLUMN zoho_outbox_private.entity_state.zoho_id IS 'the record in Zoho that is known to be ours';
COMMENT ON COLUMN zoho_outbox_private.entity_state.sent_hash IS 'hash of what Zoho was last told and verified';
COMMENT ON COLUMN zoho_outbox_private.entity_state.sent_at IS 'when that was';
COMMENT ON COLUMN zoho_outbox_private.entity_state.intents IS 'creates that were about to leave, ever: 0 means that none can exist in Zoho';
COMMENT ON COLUMN zoho_outbox_private.entity_state.intent_at IS 'when the last create was about to leave';
COMMENT ON COLUMN zoho_outbox_private.entity_state.intent_keys IS 'what a look-up asks for, of each create that left: the row may have changed since';
COMMENT ON COLUMN zoho_outbox_private.entity_state.fate_unknown_at IS 'a create left and was not answered; cleared when it was found, or proved absent twice';
COMMENT ON COLUMN zoho_outbox_private.entity_state.clean_look_at IS 'first look after that which found nothing';
COMMENT ON COLUMN zoho_outbox_private.entity_state.inserted_entry IS 'newest entry that said inserted';
COMMENT ON COLUMN zoho_outbox_private.entity_state.deleted_entry IS 'newest entry that said deleted or truncated: entries are not always admitted in their order';
COMMENT ON COLUMN zoho_outbox_private.entity_state.host_deleted_at IS 'the DELETE or TRUNCATE trigger said so';
COMMENT ON COLUMN zoho_outbox_private.entity_state.waits_for_type IS 'waiting: the prerequisite''s type';
COMMENT ON COLUMN zoho_outbox_private.entity_state.waits_for_id IS 'waiting: the prerequisite''s id';
COMMENT ON COLUMN zoho_outbox_private.entity_state.last_error IS 'what went wrong last; NULL after success';
COMMENT ON COLUMN zoho_outbox_private.entity_state.shown_status IS 'what zoho_sync_status of the host row was last set to';
COMMENT ON COLUMN zoho_outbox_private.entity_state.shown_error IS 'what zoho_last_sync_error of the host row is to say';
COMMENT ON COLUMN zoho_outbox_private.entity_state.write_back_due IS 'the host row was locked or refused: its status columns are written again from this moment';

COMMENT ON COLUMN zoho_outbox_private.entity_state.write_back_zoho_id IS 'the id that is still to be written into the host row''s id column';

CREATE TABLE zoho_outbox_private.session (
    id              uuid        NOT NULL PRIMARY KEY,
    kind            text        NOT NULL,
    host            text        NOT NULL,
    pid             integer     NOT NULL,
    program_version text        NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    listening       boolean     NOT NULL DEFAULT false,
    draining        boolean     NOT NULL DEFAULT false,
    CONSTRAINT session_kind CHECK (kind IN ('daemon', 'command'))
) WITH (fillfactor = 50);

COMMENT ON TABLE zoho_outbox_private.session IS 'Processes that send: one row each, kept fresh while they live';
COMMENT ON COLUMN zoho_outbox_private.session.id IS 'made anew by each process; a host name is no identity';
COMMENT ON COLUMN zoho_outbox_private.session.kind IS 'daemon, or a command that sends';
COMMENT ON COLUMN zoho_outbox_private.session.host IS 'host name, for people';
COMMENT ON COLUMN zoho_outbox_private.session.pid IS 'process id there, for people';
COMMENT ON COLUMN zoho_outbox_private.session.program_version IS 'version of zoho-outbox';
COMMENT ON COLUMN zoho_outbox_private.session.started_at IS 'when it started';
COMMENT ON COLUMN zoho_outbox_private.session.seen_at IS 'its last heartbeat';
COMMENT ON COLUMN zoho_outbox_private.session.listening IS 'its LISTEN was proved by a round trip; false: it polls';
COMMENT ON COLUMN zoho_outbox_private.session.draining IS 'it was told to stop and finishes what it holds';

CREATE TABLE zoho_outbox_private.bell (
    only_row boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    wanted   boolean NOT NULL DEFAULT false
) WITH (fillfactor = 10);

COMMENT ON TABLE zoho_outbox_private.bell IS 'Whether an idle daemon wants to be notified: an unconditional NOTIFY cut 27.9k inserts/s to 3.6k at 64 clients, this one kept 19.2k';
COMMENT ON COLUMN zoho_outbox_private.bell.only_row IS 'there is one row';
COMMENT ON COLUMN zoho_outbox_private.bell.wanted IS 'capture triggers notify while true';

CREATE TABLE zoho_outbox_private.installation (
    only_row                boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    installed_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    system_identifier       text,
    timeline                bigint,
    database_name           text,
    database_accepted_at    timestamptz,
    database_accepted_by    text,
    look_first_since        timestamptz,
    look_first_why          text,
    zoho_organization_id    text,
    recurring_billing       text,
    organisation_name       text,
    organisation_mode       text,
    organisation_currency   text,
    organisation_time_zone  text,
    organisation_checked_at timestamptz
);

COMMENT ON TABLE zoho_outbox_private.installation IS 'Which database and which organisation belong together: a clone or a restored copy must not send';
COMMENT ON COLUMN zoho_outbox_private.installation.only_row IS 'there is one row';
COMMENT ON COLUMN zoho_outbox_private.installation.installed_at IS 'when migrate first ran: rows born before are looked for in Zoho before they are created';
COMMENT ON COLUMN zoho_outbox_private.installation.system_identifier IS 'of the cluster, at the first run or when accepted';
COMMENT ON COLUMN zoho_outbox_private.installation.timeline IS 'of the cluster: another one means restored or failed over';
COMMENT ON COLUMN zoho_outbox_private.installation.database_name IS 'of this database';
COMMENT ON COLUMN zoho_outbox_private.installation.database_accepted_at IS 'doctor --accept-database: when';
COMMENT ON COLUMN zoho_outbox_private.installation.database_accepted_by IS 'doctor --accept-database: who';
COMMENT ON COLUMN zoho_outbox_private.installation.look_first_since IS 'every create looks first since then, until a reconciliation is clean; NULL: no';
COMMENT ON COLUMN zoho_outbox_private.installation.look_first_why IS 'why';
COMMENT ON COLUMN zoho_outbox_private.installation.zoho_organization_id IS 'the organisation that this database is sent to';
COMMENT ON COLUMN zoho_outbox_private.installation.recurring_billing IS 'ZOHO_RECURRING_BILLING at the first run';
COMMENT ON COLUMN zoho_outbox_private.installation.organisation_name IS 'as Zoho says';
COMMENT ON COLUMN zoho_outbox_private.installation.organisation_mode IS 'as Zoho says: live or test';
COMMENT ON COLUMN zoho_outbox_private.installation.organisation_currency IS 'as Zoho says';
COMMENT ON COLUMN zoho_outbox_private.installation.organisation_time_zone IS 'as Zoho says';
COMMENT ON COLUMN zoho_outbox_private.installation.organisation_checked_at IS 'when Zoho was last asked';

CREATE TABLE zoho_outbox_private.organisation (
    only_row           boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    paused_at          timestamptz,
    paused_by          text,
    paused_why         text,
    throttled_at       timestamptz,
    throttled_until    timestamptz,
    throttled_why      text,
    forbidden_at       timestamptz,
    forbidden_why      text,
    broken_at          timestamptz,
    broken_why         text,
    probe_at           timestamptz,
    probes             integer     NOT NULL DEFAULT 0,
    outages_in_a_row   integer     NOT NULL DEFAULT 0,
    recovered_at       timestamptz,
    last_good_reply_at timestamptz
) WITH (fillfactor = 20);

COMMENT ON TABLE zoho_outbox_private.organisation IS 'What stops all sending: paused by a person, throttled by Zoho, broken (outage), forbidden (credentials)';
COMMENT ON COLUMN zoho_outbox_private.organisation.only_row IS 'there is one row';
COMMENT ON COLUMN zoho_outbox_private.organisation.paused_at IS 'since when; NULL: not paused';
COMMENT ON COLUMN zoho_outbox_private.organisation.paused_by IS 'by whom';
COMMENT ON COLUMN zoho_outbox_private.organisation.paused_why IS 'why';
COMMENT ON COLUMN zoho_outbox_private.organisation.throttled_at IS 'since when';
COMMENT ON COLUMN zoho_outbox_private.organisation.throttled_until IS 'until when; in the past: no longer';
COMMENT ON COLUMN zoho_outbox_private.organisation.throttled_why IS 'Zoho''s words';
COMMENT ON COLUMN zoho_outbox_private.organisation.forbidden_at IS 'since when a person must mend credentials, scope or organisation';
COMMENT ON COLUMN zoho_outbox_private.organisation.forbidden_why IS 'what to mend';
COMMENT ON COLUMN zoho_outbox_private.organisation.broken_at IS 'since when Zoho is unwell';
COMMENT ON COLUMN zoho_outbox_private.organisation.broken_why IS 'the last failure';
COMMENT ON COLUMN zoho_outbox_private.organisation.probe_at IS 'broken or forbidden: when one request may try';
COMMENT ON COLUMN zoho_outbox_private.organisation.probes IS 'how many have tried: the pause between them grows';
COMMENT ON COLUMN zoho_outbox_private.organisation.outages_in_a_row IS 'outages since the last good reply; five open the breaker';
COMMENT ON COLUMN zoho_outbox_private.organisation.recovered_at IS 'when it last came back: concurrency grows from one again';
COMMENT ON COLUMN zoho_outbox_private.organisation.last_good_reply_at IS 'age of this is the state of the connection';

CREATE TABLE zoho_outbox_private.access_token (
    only_row       boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    generation     bigint      NOT NULL DEFAULT 0,
    secret         text,
    expires_at     timestamptz,
    turn_token     uuid,
    turn_until     timestamptz,
    cooldown_until timestamptz,
    cooldown_why   text
) WITH (fillfactor = 20);

COMMENT ON TABLE zoho_outbox_private.access_token IS 'The one access token of all replicas and commands. Readable by the daemon''s role alone';
COMMENT ON COLUMN zoho_outbox_private.access_token.only_row IS 'there is one row';
COMMENT ON COLUMN zoho_outbox_private.access_token.generation IS 'counts mints';
COMMENT ON COLUMN zoho_outbox_private.access_token.secret IS 'SECRET';
COMMENT ON COLUMN zoho_outbox_private.access_token.expires_at IS 'when Zoho forgets it';
COMMENT ON COLUMN zoho_outbox_private.access_token.turn_token IS 'who is minting now';
COMMENT ON COLUMN zoho_outbox_private.access_token.turn_until IS 'until when; then anybody may';
COMMENT ON COLUMN zoho_outbox_private.access_token.cooldown_until IS 'no mint before';
COMMENT ON COLUMN zoho_outbox_private.access_token.cooldown_why IS 'why';

CREATE TABLE zoho_outbox_private.token_mint (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    minted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    session_id uuid        NOT NULL
);

COMMENT ON TABLE zoho_outbox_private.token_mint IS 'Mints of the last days: Zoho allows 10 in 10 minutes, we stop at 8';
COMMENT ON COLUMN zoho_outbox_private.token_mint.id IS 'order of the mints';
COMMENT ON COLUMN zoho_outbox_private.token_mint.minted_at IS 'when it was asked for';
COMMENT ON COLUMN zoho_outbox_private.token_mint.session_id IS 'by whom';

CREATE TABLE zoho_outbox_private.request_budget (
    only_row     boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    next_free_at timestamptz NOT NULL DEFAULT '-infinity',
    day          date        NOT NULL DEFAULT '-infinity',
    requests     integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

COMMENT ON TABLE zoho_outbox_private.request_budget IS 'The minute''s token bucket (kept as GCRA) and the day''s count, of all replicas and commands. Its lock puts them in line';
COMMENT ON COLUMN zoho_outbox_private.request_budget.only_row IS 'there is one row';
COMMENT ON COLUMN zoho_outbox_private.request_budget.next_free_at IS 'theoretical arrival time of the next request';
COMMENT ON COLUMN zoho_outbox_private.request_budget.day IS 'day (of ZOHO_TIME_ZONE) that requests counts';
COMMENT ON COLUMN zoho_outbox_private.request_budget.requests IS 'requests permitted on that day';

CREATE TABLE zoho_outbox_private.day_budget (
    day      date    NOT NULL,
    urgency  smallint NOT NULL,
    requests integer NOT NULL DEFAULT 0,
    PRIMARY KEY (day, urgency)
) WITH (fillfactor = 20);

COMMENT ON TABLE zoho_outbox_private.day_budget IS 'Requests by day (of ZOHO_TIME_ZONE) and urgency';
COMMENT ON COLUMN zoho_outbox_private.day_budget.day IS 'day in ZOHO_TIME_ZONE';
COMMENT ON COLUMN zoho_outbox_private.day_budget.urgency IS 'as zoho_outbox.priority';
COMMENT ON COLUMN zoho_outbox_private.day_budget.requests IS 'requests that were permitted';

CREATE TABLE zoho_outbox_private.request_slot (
    slot       integer     NOT NULL PRIMARY KEY,
    permit     uuid,
    session_id uuid,
    busy_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 20);

COMMENT ON TABLE zoho_outbox_private.request_slot IS 'Places for requests in flight, ZOHO_MAX_CONCURRENCY of them for all replicas and commands';
COMMENT ON COLUMN zoho_outbox_private.request_slot.slot IS 'from 1';
COMMENT ON COLUMN zoho_outbox_private.request_slot.permit IS 'names this use of the place';
COMMENT ON COLUMN zoho_outbox_private.request_slot.session_id IS 'who holds it';
COMMENT ON COLUMN zoho_outbox_private.request_slot.busy_until IS 'free after this moment even if never given back';

INSERT INTO zoho_outbox_private.bell DEFAULT VALUES;
INSERT INTO zoho_outbox_private.installation DEFAULT VALUES;
INSERT INTO zoho_outbox_private.organisation DEFAULT VALUES;
INSERT INTO zoho_outbox_private.access_token DEFAULT VALUES;
INSERT INTO zoho_outbox_private.request_budget DEFAULT VALUES;
