-- Which of these entities need no look-up before their first create: inserted after the installation, and never sent.
SELECT state.entity_id
FROM zoho_outbox_private.entity_state AS state
WHERE state.entity_type = %(entity_type)s
    AND state.entity_id = ANY (%(entity_ids)s::uuid[])
    AND state.born_here
    AND state.intents = 0
