-- How far a run came. What was compared by a list that was begun a week ago is no news any more.
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
    part.listed_from < clock_timestamp() - interval '7 days' AS outdated
FROM zoho_outbox_private.reconciliation_part AS part
WHERE part.run = %(run)s
