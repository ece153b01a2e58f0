-- As many places for requests in flight as are allowed; those beyond are left, unused.
INSERT INTO zoho_outbox_private.request_slot AS slot (slot)
SELECT number FROM generate_series(1, %(max_concurrency)s) AS number
ON CONFLICT (slot) DO NOTHING
