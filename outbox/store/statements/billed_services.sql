-- Services that are paid by the month, and the subscription by which Zoho bills them where it does. For
-- doctor --accept-billing-mode.
SELECT
    known.*
FROM (
    SELECT
        service.id,
        service.package_name,
        service.monthly_price,
        service.status,
        service.last_invoice_date,
        service.customer_id,
        customer.account_number,
        -- Cancelled there: it bills nothing, or nothing after its term.
        CASE
            WHEN state.sent_hash LIKE '%:cancelled' THEN NULL
            ELSE COALESCE(state.zoho_id, NULLIF(btrim(service.zoho_subscription_id), ''))
        END AS subscription_id
    FROM public.customer_services AS service
    JOIN public.customers AS customer ON customer.id = service.customer_id
    LEFT JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = service.id AND state.entity_type = 'subscription'
    WHERE customer.account_type <> 'internal_test'
) AS known
WHERE known.status IN ('active', 'suspended') OR known.subscription_id IS NOT NULL
ORDER BY known.account_number, known.package_name, known.id
