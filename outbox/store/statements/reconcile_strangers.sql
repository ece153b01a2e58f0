-- Records of a list that no row of ours knows, and those of rows that were deleted; one page by id.
-- {host_table} and {zoho_id} are identifiers.
SELECT
    listed.zoho_id,
    listed.record,
    state.entity_id     AS deleted_row,
    -- Nobody was found who made it: Zoho's lists may have lagged, so it is asked for again the next day.
    CASE
        WHEN seen.made_by <> '' OR seen.looked_at > clock_timestamp() - interval '20 hours' THEN seen.made_by
    END AS made_by
FROM zoho_outbox_private.listed_record AS listed
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON state.zoho_id = listed.zoho_id AND state.entity_type = %(entity_type)s
LEFT JOIN zoho_outbox_private.foreign_record AS seen
    ON seen.zoho_id = listed.zoho_id AND seen.entity_type = %(entity_type)s
WHERE listed.listing = %(listing)s
    AND listed.zoho_id > %(after)s
    AND (state.entity_id IS NULL OR state.host_deleted_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM {host_table} AS host WHERE host.{zoho_id} = listed.zoho_id)
ORDER BY listed.zoho_id
LIMIT %(batch)s
