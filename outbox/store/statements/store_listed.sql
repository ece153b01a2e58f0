-- Keeps a page of a list that is being read. A record that moved between pages is there once.
INSERT INTO zoho_outbox_private.listed_record AS listed (listing, zoho_id, found_by, record)
SELECT
    %(listing)s,
    page.zoho_id,
    ARRAY(SELECT jsonb_array_elements_text(page.found_by)),
    page.record
FROM jsonb_to_recordset(%(rows)s) AS page (zoho_id text, found_by jsonb, record jsonb)
ON CONFLICT (listing, zoho_id) DO UPDATE SET found_by = EXCLUDED.found_by, record = EXCLUDED.record
