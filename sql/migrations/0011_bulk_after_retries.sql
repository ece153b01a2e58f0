-- works-with: 1
--
-- The class of bulk changes is 25, after retries: one lost reply put a live change behind a whole import. Both numbers mean
-- the same to programs of either side; what stands there is renumbered where it still counts.

SET LOCAL ROLE zoho_outbox_owner;

COMMENT ON COLUMN public.zoho_outbox.priority IS 'lower is sooner: 10 live, 20 retry, 25 bulk, 30 backfill, 40 reconciliation';

UPDATE zoho_outbox_private.entity_state AS state SET urgency = 25 WHERE state.urgency = 15 AND state.phase <> 'idle';
UPDATE zoho_outbox_private.day_budget AS used SET urgency = 25 WHERE used.urgency = 15;
