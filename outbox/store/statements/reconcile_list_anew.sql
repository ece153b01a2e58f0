-- A list that is too old is forgotten; rows that were compared by it stay compared.
WITH part AS (
    UPDATE zoho_outbox_private.reconciliation_part AS part
    SET stage = 'list', listing = gen_random_uuid(), listed_from = NULL, next_page = 1, listed = 0, after_record = ''
    FROM zoho_outbox_private.reconciliation_part AS earlier
    WHERE part.run = %(run)s
        AND part.entity_type = %(entity_type)s
        AND earlier.run = part.run
        AND earlier.entity_type = part.entity_type
    RETURNING earlier.listing
)
DELETE FROM zoho_outbox_private.listed_record AS listed
USING part
WHERE listed.listing = part.listing
