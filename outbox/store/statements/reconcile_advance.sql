-- How far the part came, in the transaction of what was found on the way there.
UPDATE zoho_outbox_private.reconciliation_part AS part
SET
    stage = %(stage)s,
    listed_from = COALESCE(part.listed_from, clock_timestamp()),
    next_page = %(next_page)s,
    after_row = %(after_row)s,
    after_record = %(after_record)s,
    agree = part.agree + %(agree)s,
    differ = part.differ + %(differ)s,
    not_compared = part.not_compared + %(not_compared)s,
    listed = part.listed + %(listed)s
WHERE part.run = %(run)s AND part.entity_type = %(entity_type)s
