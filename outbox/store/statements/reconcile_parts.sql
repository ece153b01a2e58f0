-- How far a run came. A list that was begun too long ago is read again: its rows are pruned after two days.
SELECT
    part.entity_type,
    part.stage,
    part.listing,
    part.next_page,
    part.after_row,
    part.after_record,
    part.agree,
    part.differ,
    part.not_compared,
    part.listed,
    part.listed_from < clock_timestamp() - interval '36 hours' AS outdated
FROM zoho_outbox_private.reconciliation_part AS part
WHERE part.run = %(run)s
