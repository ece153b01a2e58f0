-- A catalogue as it was last listed, and its age.
SELECT
    catalogue.content,
    EXTRACT(EPOCH FROM clock_timestamp() - catalogue.read_at)::double precision AS age_seconds
FROM zoho_outbox_private.catalogue AS catalogue
WHERE catalogue.kind = %(kind)s
