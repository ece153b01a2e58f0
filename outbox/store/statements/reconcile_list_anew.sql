-- A type is compared anew from its list on: what was found by a list that is too old is forgotten with its sums.
WITH part AS (
    UPDATE zoho_outbox_private.reconciliation_part AS part
    SET
        stage = 'list',
        listing = gen_random_uuid(),
        listed_from = NULL,
        next_page = 1,
        after_row = NULL,
        after_record = '',
        agree = 0,
        differ = 0,
        not_compared = 0,
        listed = 0
    FROM zoho_outbox_private.reconciliation_part AS earlier
    WHERE part.run = %(run)s
        AND part.entity_type = %(entity_type)s
        AND earlier.run = part.run
        AND earlier.entity_type = part.entity_type
    RETURNING earlier.listing
),
forgotten AS (
    DELETE FROM zoho_outbox_private.reconciliation_finding AS finding
    WHERE finding.run = %(run)s AND finding.entity_type = %(entity_type)s
),
unsummed AS (
    DELETE FROM zoho_outbox_private.reconciliation_sum AS sum
    WHERE sum.run = %(run)s
        AND (
            (%(entity_type)s = 'invoice' AND sum.measure IN ('invoiced', 'open'))
            OR (%(entity_type)s = 'payment' AND sum.measure IN ('paid', 'credited'))
        )
)
DELETE FROM zoho_outbox_private.listed_record AS listed
USING part
WHERE listed.listing = part.listing
