-- Zoho's lists that were read before records are removed go out of use: a look-up that went by one would adopt what is no
-- longer there. Their rows go by age (prune_listings.sql).
DELETE FROM zoho_outbox_private.listing AS listing
WHERE listing.entity_type = ANY (%(entity_types)s)
