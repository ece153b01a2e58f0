-- works-with: 1
--
-- What alert-failed has told and to whom, so that nothing is told twice and each end is told once. When something is
-- told, and when again: outbox/commands/alert/news.py.

SET LOCAL ROLE zoho_outbox_owner;

CREATE TABLE zoho_outbox_private.alert (
    receiver      text        NOT NULL,
    problem       text        NOT NULL,
    said          text        NOT NULL,
    entity_type   text,
    entity_ids    uuid[]      NOT NULL DEFAULT '{}',
    entities      integer     NOT NULL DEFAULT 0,
    first_told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (receiver, problem),
    CONSTRAINT alert_entity_type CHECK (entity_type IN ('customer', 'subscription', 'invoice', 'payment'))
);

COMMENT ON TABLE zoho_outbox_private.alert IS 'What stands and was told, a row for each receiver and problem; removed when the receiver was told that it is over';
COMMENT ON COLUMN zoho_outbox_private.alert.receiver IS 'SHA-256 of an entry of ALERT_URLS: the entry itself is a secret';
COMMENT ON COLUMN zoho_outbox_private.alert.problem IS 'dead: and a digest of type and cause; or organisation_forbidden, no_daemon and so on';
COMMENT ON COLUMN zoho_outbox_private.alert.said IS 'the cause as it was told, for the word that it is over';
COMMENT ON COLUMN zoho_outbox_private.alert.entity_type IS 'of dead letters: whose';
COMMENT ON COLUMN zoho_outbox_private.alert.entity_ids IS 'of dead letters: the rows that were told, a thousand at most';
COMMENT ON COLUMN zoho_outbox_private.alert.entities IS 'of dead letters: how many were told';
COMMENT ON COLUMN zoho_outbox_private.alert.first_told_at IS 'when it was told first';
COMMENT ON COLUMN zoho_outbox_private.alert.told_at IS 'when it was told last';

-- A turn that ends by itself in place of a lock: telling takes longer than the daemon's role may stand idle in a
-- transaction, and a lock of the session's is lost or left behind in a pooler's transaction mode.
CREATE TABLE zoho_outbox_private.alert_turn (
    only_row   boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    turn_token uuid,
    turn_until timestamptz
);

COMMENT ON TABLE zoho_outbox_private.alert_turn IS 'Who tells now: one alert-failed at a time, on whichever machine';
COMMENT ON COLUMN zoho_outbox_private.alert_turn.only_row IS 'there is one row';
COMMENT ON COLUMN zoho_outbox_private.alert_turn.turn_token IS 'who has the turn';
COMMENT ON COLUMN zoho_outbox_private.alert_turn.turn_until IS 'until when, if it is not given back; then anybody may';

INSERT INTO zoho_outbox_private.alert_turn DEFAULT VALUES;
