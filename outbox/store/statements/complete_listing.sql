-- The list was read to its end: look-ups may go by it. The one before it goes.
WITH completed AS (
    INSERT INTO zoho_outbox_private.listing AS listing (entity_type, listing, begun_at, records)
    VALUES (
        %(entity_type)s,
        %(listing)s,
        clock_timestamp() - make_interval(secs => %(took_seconds)s),
        (SELECT count(*) FROM zoho_outbox_private.listed_record AS listed WHERE listed.listing = %(listing)s)
    )
    ON CONFLICT (entity_type) DO UPDATE
    SET listing = EXCLUDED.listing, begun_at = EXCLUDED.begun_at, records = EXCLUDED.records
    RETURNING listing.records
),
replaced AS (
    DELETE FROM zoho_outbox_private.listed_record AS listed
    USING zoho_outbox_private.listing AS previous
    WHERE previous.entity_type = %(entity_type)s
        AND listed.listing = previous.listing
        AND previous.listing <> %(listing)s
)
SELECT completed.records FROM completed
