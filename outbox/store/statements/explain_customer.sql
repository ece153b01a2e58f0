-- A customer's row as far as the sync shows itself in it. No column with personal data: operators may run this.
-- What is not eligible: outbox/entities/customer.py; a test holds the two equal.
SELECT
    customer.account_number             AS known_as,
    customer.zoho_billing_customer_id   AS zoho_id,
    customer.zoho_sync_status           AS sync_status,
    customer.zoho_last_synced_at        AS last_synced_at,
    customer.zoho_last_sync_error       AS last_sync_error,
    CASE
        WHEN customer.account_type = 'internal_test' THEN 'internal_test account: never sent to Zoho'
    END                                 AS ineligible
FROM public.customers AS customer
WHERE customer.id = %(entity_id)s
