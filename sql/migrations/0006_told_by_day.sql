-- works-with: 1
--
-- What nobody could look up afterwards: how often Zoho asked for silence, the day's limit that was in force, the zone
-- that days are counted in, who ended a pause, when an entry was replayed, and who had personal data removed.

SET LOCAL ROLE zoho_outbox_owner;

-- On rows that are written with every permit all the same: no write more for it (take_permit.sql).
ALTER TABLE zoho_outbox_private.request_budget
    ADD COLUMN time_zone text,
    ADD COLUMN day_limit integer,
    ADD COLUMN reserve_percent integer;
ALTER TABLE zoho_outbox_private.day_budget ADD COLUMN day_limit integer;

COMMENT ON COLUMN zoho_outbox_private.request_budget.time_zone IS 'ZOHO_TIME_ZONE of whoever asked last: days are of this zone; NULL: nobody asked since 0006';
COMMENT ON COLUMN zoho_outbox_private.request_budget.day_limit IS 'ZOHO_DAILY_REQUEST_LIMIT of whoever asked last; 0: none';
COMMENT ON COLUMN zoho_outbox_private.request_budget.reserve_percent IS 'ZOHO_LIVE_RESERVE_PERCENT of whoever asked last';
COMMENT ON COLUMN zoho_outbox_private.day_budget.day_limit IS 'ZOHO_DAILY_REQUEST_LIMIT at the last request of that urgency on that day; 0: none';

-- A table of its own and not day_budget: a report locks the organisation first, a permit the budget, and on common rows
-- the two would wait for each other.
CREATE TABLE zoho_outbox_private.rate_limit_day (
    day      date        NOT NULL PRIMARY KEY,
    hits     integer     NOT NULL DEFAULT 0,
    last_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_why text
) WITH (fillfactor = 20);

COMMENT ON TABLE zoho_outbox_private.rate_limit_day IS 'How often Zoho refused because of its limits, by day (of ZOHO_TIME_ZONE); a day without has no row';
COMMENT ON COLUMN zoho_outbox_private.rate_limit_day.day IS 'day in ZOHO_TIME_ZONE';
COMMENT ON COLUMN zoho_outbox_private.rate_limit_day.hits IS 'answers with HTTP 429 or a code of the same meaning';
COMMENT ON COLUMN zoho_outbox_private.rate_limit_day.last_at IS 'the last one';
COMMENT ON COLUMN zoho_outbox_private.rate_limit_day.last_why IS 'Zoho''s words then';

ALTER TABLE zoho_outbox_private.organisation
    ADD COLUMN resumed_at timestamptz,
    ADD COLUMN resumed_by text;

COMMENT ON COLUMN zoho_outbox_private.organisation.resumed_at IS 'when the last pause was ended';
COMMENT ON COLUMN zoho_outbox_private.organisation.resumed_by IS 'by whom';

-- NULL in all that an application writes: a bit of its row.
ALTER TABLE public.zoho_outbox ADD COLUMN requested_at timestamptz;

CREATE TABLE zoho_outbox_private.forgotten (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id  uuid        NOT NULL,
    forgotten_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    forgotten_by text        NOT NULL,
    reason       text        NOT NULL,
    changed      jsonb       NOT NULL
);

COMMENT ON TABLE zoho_outbox_private.forgotten IS 'Who had a customer''s personal data removed by zoho_outbox_forget; kept for ever';
COMMENT ON COLUMN zoho_outbox_private.forgotten.id IS 'order of the removals';
COMMENT ON COLUMN zoho_outbox_private.forgotten.customer_id IS 'id of the host row';
COMMENT ON COLUMN zoho_outbox_private.forgotten.forgotten_at IS 'when';
COMMENT ON COLUMN zoho_outbox_private.forgotten.forgotten_by IS 'who: zoho_outbox_private.acting()';
COMMENT ON COLUMN zoho_outbox_private.forgotten.reason IS 'why';
COMMENT ON COLUMN zoho_outbox_private.forgotten.changed IS 'how many rows of what';

COMMENT ON COLUMN public.zoho_outbox.requested_at IS 'when somebody last replayed it or set it aside by hand; of one that was appended by hand, created_at says it';
COMMENT ON COLUMN public.zoho_outbox.requested_by IS 'who asked for it by hand (session_user, or whom the dashboard names), else NULL';
