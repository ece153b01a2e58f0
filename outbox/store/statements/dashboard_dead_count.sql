-- How many dead letters there are: by their index.
SELECT count(*) AS letters FROM zoho_outbox_private.entity_state AS state WHERE state.phase = 'dead'
